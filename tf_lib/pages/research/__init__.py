"""Pages of research: backtests, sweeps, shadow runs."""
