"""Pages: the charts, tables and reports a person reads; they take values and touch no exchange."""

from tf_lib.public_list import offered

__all__, __getattr__ = offered(
    __name__,
    "day.charts",
    "day.tables",
    "research.backtest_charts",
    "research.backtest_report",
    "research.shadow_charts",
    "research.sweep_charts",
    "research.sweep_report",
)
