"""Shadow charts: live days beside their backtests, and what made the difference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tf_lib.pages import colours, words
from tf_lib.pages.html import LEFT, WARN, Column, Fragment, Row, table
from tf_lib.pages.style import Chart, date_axis, legend_above, say_nothing_there, styled

_COLOURS = (*colours.SERIES, colours.GREY, colours.INK)
UNEXPLAINED = "unexplained"


@styled
def shadow_chart(days: pd.DataFrame, causes: Sequence[str]) -> Chart:
    """
    Draw what live and shadow made, summed up, and the causes of the difference.

    Parameters
    ----------
    days : DataFrame indexed by date
        live_change, shadow_change, one column per cause, ``unexplained``; in money.
    causes : sequence of str
    """
    total = days["live_change"].sum() - days["shadow_change"].sum() if len(days) else 0.0
    chart = Chart(
        f"What the live days made and what their backtests made; live is "
        f"{words.money(total, signed=True)} ahead, day by day below, by cause",
        3.0,
    )
    above, below = chart.panels(2, left=0.75, gaps=(0.3, 0.45), heights=(1.2, 1.0))
    if days.empty:
        for axes in (above, below):
            say_nothing_there(axes, "no day could be shadowed")
        return chart
    numbers = pd.DatetimeIndex(days.index).to_numpy().astype("datetime64[D]").astype(np.float64)
    above.plot(numbers, days["live_change"].cumsum(), color=colours.BLUE, label="live")
    above.plot(
        numbers,
        days["shadow_change"].cumsum(),
        color=colours.ORANGE,
        label="backtest",
        linestyle=":",
    )
    legend_above(above)
    for name, colour in zip((*causes, UNEXPLAINED), _COLOURS, strict=True):
        if days[name].abs().max() > 0.005:
            below.plot(numbers, days[name].cumsum(), color=colour, label=name.replace("_", " "))
    if below.lines:
        legend_above(below, columns=4, is_tight=True)
    below.axhline(0, color=colours.GREY, linewidth=0.6)
    date_axis(above, numbers, labels=False)
    date_axis(below, numbers)
    return chart


def shadow_table(days: pd.DataFrame, causes: Sequence[str]) -> Fragment:
    """Return the days that differ from their shadow by a cent or more, and the sum of all."""
    names = ["live_change", "shadow_change", "difference", *causes, UNEXPLAINED]
    columns = [Column("date", LEFT), *(Column(name.replace("_", " ")) for name in names)]
    rows = [
        Row(
            (str(date), *(words.money(line[name], signed=True, digits=2) for name in names)),
            WARN if abs(line[UNEXPLAINED]) >= 0.01 else "",
        )
        for date, line in days.to_dict("index").items()
        if abs(line["difference"]) >= 0.01
    ]
    summed = days[names].sum()
    whole = Row(("all days", *(words.money(total, signed=True, digits=2) for total in summed)))
    return table(columns, [*rows, whole], empty="", caption="Live days beside their backtests")
