"""Safety: who may send, in which portfolio, one at a time."""
