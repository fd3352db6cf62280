"""
Charts of a day, in the order in which a page shows them.

`weights`, `prices`, `signal_components`, `filters`, `sleeve_risk`, `volatility`, `stops`: each
takes what the steps left and returns a `Chart` (or several), which a notebook shows by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from tf_lib.core.candles.bars import Bars
from tf_lib.core.decision import Decision
from tf_lib.core.model.run_rows import FillRow, StopRow
from tf_lib.pages.day.focus import in_focus, largest
from tf_lib.pages.day.price_charts import compact_prices, price_chart
from tf_lib.pages.day.risk_charts import correlation, sleeve_risk, stops, volatility, weights
from tf_lib.pages.day.signal_charts import filters, signal_components
from tf_lib.pages.style import Chart

__all__ = [
    "Chart",
    "compact_prices",
    "correlation",
    "filters",
    "in_focus",
    "largest",
    "price_chart",
    "prices",
    "signal_components",
    "sleeve_risk",
    "stops",
    "volatility",
    "weights",
]


def prices(
    decision: Decision,
    bars: Bars,
    *,
    stop_rows: Sequence[StopRow] = (),
    fills: Sequence[FillRow] = (),
) -> list[Chart]:
    """Draw a large chart for each ticker in focus, then the others as small multiples."""
    large = [
        price_chart(decision, bars, ticker, stops=stop_rows, fills=fills)
        for ticker in in_focus(decision)
    ]
    small = compact_prices(decision)
    return large if small is None else [*large, small]
