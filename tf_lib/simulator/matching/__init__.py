"""Matching: orders, wallets, fills."""
