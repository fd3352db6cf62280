"""Signals: rolling windows, indicators and the components that are summed into a signal."""
