"""Commands of research: backtests, sweeps, proofs."""
