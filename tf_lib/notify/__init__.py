"""Notifications: who is told, and in which words."""
