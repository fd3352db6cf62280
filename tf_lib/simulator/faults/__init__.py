"""Faults: what goes wrong, and what happens on its own."""
