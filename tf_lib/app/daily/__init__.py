"""The day as the notebook makes it: read, decide, trade, protect, record."""
