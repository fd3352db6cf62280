"""Storage: what the exchange remembers on disk."""
