"""Prices: products, bars, and the path between them."""
