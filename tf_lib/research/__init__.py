"""Research: backtests, sweeps and proofs, made of the same core that trades."""

from tf_lib.public_list import offered

__all__, __getattr__ = offered(
    __name__,
    "attribution.shadow: CAUSES",
    "backtest.run_backtest: BacktestResult run_backtest=backtest",
    "lookahead.decision_check: prove_no_lookahead",
    "sweep.grid: grid_of read_grid",
    "sweep.run_sweep: SweepResult run_sweep",
    "sweep.study: make_study",
)
