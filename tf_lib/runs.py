"""
Runs: what a notebook opens, does and writes, of days, backtests and sweeps.

What they are made with is in `tf_lib.research`, what they are shown with in `tf_lib.pages`.
"""

from tf_lib.public_list import offered

__all__, __getattr__ = offered(
    "tf_lib",
    "app.commands.research.backtest: track_record write_backtest",
    "app.commands.research.market_data: market_of",
    "app.commands.research.shadow: shadow_profile",
    "app.commands.research.sweep: sweep_of write_sweep",
    "app.commands.research.sweep_workers: SweepWorkers",
    "app.commands.results.sweep_record: sweep_record walk_frame",
    "app.daily.day: run_steps",
    "app.daily.open_day: open_day recorded_day",
    "parameters: load_config",
    "project: default_runs profile_file",
    "store.candle_csv: read_candle_folder",
    "text.days: day_from",
)
