"""Research: backtests, sweeps and proofs, made of the same core that trades."""

from tf_lib.public_list import offered

_WHERE = {
    "BacktestResult": "tf_lib.research.backtest.run_backtest:BacktestResult",
    "CAUSES": "tf_lib.research.attribution.shadow:CAUSES",
    "SweepResult": "tf_lib.research.sweep.run_sweep:SweepResult",
    "grid_of": "tf_lib.research.sweep.grid:grid_of",
    "make_study": "tf_lib.research.sweep.study:make_study",
    "prove_no_lookahead": "tf_lib.research.lookahead.decision_check:prove_no_lookahead",
    "read_grid": "tf_lib.research.sweep.grid:read_grid",
    "run_backtest": "tf_lib.research.backtest.run_backtest:backtest",
    "run_sweep": "tf_lib.research.sweep.run_sweep:run_sweep",
}
__all__ = list(_WHERE)
__getattr__ = offered(__name__, _WHERE)
