"""Candles: daily bars as arrays, from text; gaps, and bars that are not believed."""
