"""Files on disk: ledger, run folders, candles."""
