"""Research: backtests, sweeps and proofs, made of the same core that trades."""
