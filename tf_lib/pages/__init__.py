"""Pages: the charts, tables and reports a person reads; they take values and touch no exchange."""

from tf_lib.public_list import offered

_WHERE = {
    "backtest_charts": "tf_lib.pages.research.backtest_charts",
    "backtest_report": "tf_lib.pages.research.backtest_report",
    "charts": "tf_lib.pages.day.charts",
    "shadow_charts": "tf_lib.pages.research.shadow_charts",
    "sweep_charts": "tf_lib.pages.research.sweep_charts",
    "sweep_report": "tf_lib.pages.research.sweep_report",
    "tables": "tf_lib.pages.day.tables",
}
__all__ = list(_WHERE)
__getattr__ = offered(__name__, _WHERE)
