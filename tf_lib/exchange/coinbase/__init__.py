"""Coinbase Advanced Trade: its wire, its records, its answers."""
