"""
Runs: what a notebook opens, does and writes, of days, backtests and sweeps.

What they are made with is in `tf_lib.research`, what they are shown with in `tf_lib.pages`.
"""

from tf_lib.public_list import offered

_WHERE = {
    "day_from": "tf_lib.text.days:day_from",
    "default_runs": "tf_lib.project:default_runs",
    "load_config": "tf_lib.parameters:load_config",
    "market_of": "tf_lib.app.commands.research.market_data:market_of",
    "open_day": "tf_lib.app.daily.open_day:open_day",
    "profile_file": "tf_lib.project:profile_file",
    "read_candle_folder": "tf_lib.store.candle_csv:read_candle_folder",
    "recorded_day": "tf_lib.app.daily.open_day:recorded_day",
    "run_steps": "tf_lib.app.daily.day:run_steps",
    "shadow_profile": "tf_lib.app.commands.research.shadow:shadow_profile",
    "sweep_of": "tf_lib.app.commands.research.sweep:sweep_of",
    "sweep_record": "tf_lib.app.commands.research.sweep:sweep_record",
    "track_record": "tf_lib.app.commands.research.backtest:track_record",
    "walk_frame": "tf_lib.app.commands.research.sweep:walk_frame",
    "write_backtest": "tf_lib.app.commands.research.backtest:write_backtest",
    "write_sweep": "tf_lib.app.commands.research.sweep:write_sweep",
    "SweepWorkers": "tf_lib.app.commands.research.sweep_workers:SweepWorkers",
}
__all__ = list(_WHERE)
__getattr__ = offered(__name__, _WHERE)
