"""Backtests: the day loop over arrays, and what it came to."""
