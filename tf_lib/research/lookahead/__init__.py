"""Look-ahead: the proof that nothing depends on the future."""
