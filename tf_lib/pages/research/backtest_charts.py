"""Backtest charts: what a span of days came to, in the order in which people ask about it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from tf_lib.pages import colours, words
from tf_lib.pages.style import (
    MONTHS,
    Chart,
    date_axis,
    legend_above,
    name_rows,
    say_nothing_there,
    styled,
    write_in_cells,
)

_REFERENCE_COLOURS = {"btc_held": colours.ORANGE, "equal_weight": colours.GREY}
NAMES = {"btc_held": "BTC held", "equal_weight": "equal weight", "strategy": "strategy"}


def days_of(index: pd.Index) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return an index of days as numbers since 1970."""
    days = pd.DatetimeIndex(index).tz_localize(None)
    return days.to_numpy().astype("datetime64[D]").astype(np.float64)


@styled
def equity_chart(equity: pd.Series[float], references: Mapping[str, pd.Series[float]]) -> Chart:
    """Draw equity and its references on a log scale, and how far each lies below its peak."""
    growth = float(equity.iloc[-1] / equity.iloc[0]) if len(equity) else 1.0
    chart = Chart(
        f"Equity at each day's close: {words.money(equity.iloc[-1])} in the end, "
        f"{growth:.2f} times the first day's; below, the fall from the highest so far",
        3.6,
        note="References start with the same money and pay neither fees nor slippage.",
    )
    above, below = chart.panels(2, left=0.75, heights=(2.2, 1.0), gaps=(0.3, 0.3))
    days = days_of(equity.index)
    curves = {"strategy": equity, **references}
    for name, curve in reversed(curves.items()):
        colour = (
            colours.BLUE if name == "strategy" else _REFERENCE_COLOURS.get(name, colours.PURPLE)
        )
        width = 1.4 if name == "strategy" else 0.9
        above.plot(days, curve, color=colour, linewidth=width, label=NAMES.get(name, name))
        fall = 100 * (curve / curve.cummax() - 1)
        below.plot(days, fall, color=colour, linewidth=0.6 * width)
    below.fill_between(
        days, 100 * (equity / equity.cummax() - 1), 0, color=colours.BLUE, alpha=0.18, linewidth=0
    )
    above.set_yscale("log")
    above.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    above.yaxis.set_major_formatter(lambda value, _: words.money(value))
    above.yaxis.set_minor_formatter(NullFormatter())
    above.set_ylabel("money, log scale")
    below.set_ylabel("% below peak")
    date_axis(above, days, labels=False)
    date_axis(below, days)
    legend_above(above)
    return chart


@styled
def rolling_chart(returns: pd.Series[float], *, window: int, target: float, per_year: int) -> Chart:
    """Draw rolling volatility against its target, and the rolling Sharpe ratio."""
    root = float(np.sqrt(per_year))
    moving = returns.rolling(window)
    spread, mean = moving.std(), moving.mean()
    chart = Chart(
        f"Volatility against its target of {words.percent(target, digits=0)} a year, and Sharpe "
        f"ratio, over {window} days",
        2.9,
        note="The target is an upper bound: there is no leverage, and cash waits without signals.",
    )
    above, below = chart.panels(2, gaps=(0.3, 0.3))
    days = days_of(returns.index)
    above.plot(days, 100 * spread * root, color=colours.BLUE)
    above.axhline(100 * target, color=colours.RED, linewidth=0.9, linestyle=(0, (3, 2)))
    above.set_ylabel("% a year")
    above.set_ylim(bottom=0)
    below.plot(days, (mean / spread.where(spread > 0)) * root, color=colours.GREEN)
    below.axhline(0, color=colours.INK, linewidth=0.6)
    below.set_ylabel("Sharpe ratio")
    date_axis(above, days, labels=False)
    date_axis(below, days)
    return chart


@styled
def exposure_chart(sleeves: pd.DataFrame) -> Chart:
    """Draw what share of equity each sleeve holds at the close."""
    mean = float(sleeves.sum(axis=1).mean())
    chart = Chart(
        f"Share of equity invested at the close, by sleeve: {words.percent(mean, digits=0)} "
        "on average",
        1.7,
    )
    (axes,) = chart.panels()
    days = days_of(sleeves.index)
    axes.stackplot(
        days,
        *[100 * sleeves[name] for name in sleeves],
        labels=[str(name) for name in sleeves],
        colors=colours.SERIES,
        linewidth=0,
    )
    axes.set_ylabel("% of equity")
    axes.set_ylim(0, 100)
    date_axis(axes, days)
    legend_above(axes)
    return chart


@styled
def contribution_chart(tickers: pd.DataFrame) -> Chart:
    """Draw what each ticker added to the total return."""
    table = tickers.sort_values("contribution", ascending=False)
    chart = Chart(
        "What each ticker added to the total return, costs included",
        0.23 * max(len(table), 2) + 0.7,
    )
    (axes,) = chart.panels(left=0.95, right=0.9, below=0.48)
    shares = 100 * table["contribution"].to_numpy()
    axes.barh(
        range(len(table)),
        shares,
        height=0.6,
        color=[colours.BLUE if share >= 0 else colours.ORANGE for share in shares],
    )
    axes.axvline(0, color=colours.INK, linewidth=0.6)
    said = [words.money(profit, signed=True) for profit in table["profit"]]
    name_rows(axes, list(table.index), said)
    axes.set_xlabel("% of the capital at the start")
    return chart


@styled
def cost_chart(costs: pd.DataFrame) -> Chart:
    """Draw notional traded per month, and fees paid so far."""
    chart = Chart(
        f"Traded per month; fees come to {words.money(costs['fees'].sum())} in all",
        1.9,
    )
    left, right = chart.panels(1, 2, left=0.75, gaps=(0.75, 0.3))
    days = days_of(costs.index)
    if not costs["traded"].any():
        for axes in (left, right):
            say_nothing_there(axes, "nothing was traded")
        return chart
    left.bar(days, costs["traded"], width=22, color=colours.SKY)
    left.set_ylabel("notional")
    _thousands(left)
    right.plot(days, costs["fees"].cumsum(), color=colours.RED)
    right.set_ylabel("fees so far")
    _thousands(right)
    for axes in (left, right):
        date_axis(axes, days, most=4)
        axes.set_xlim(days[0] - 20, days[-1] + 20)
    return chart


@styled
def monthly_chart(monthly: pd.DataFrame) -> Chart:
    """Draw the months' returns as a field of colours with their numbers."""
    values = 100 * monthly.to_numpy(dtype=np.float64)
    chart = Chart("Return of each month and year, %", 0.26 * len(monthly) + 0.35)
    (axes,) = chart.panels(left=0.45)
    most = max(float(np.nanmax(np.abs(values[:, :-1]), initial=1.0)), 1.0)
    axes.imshow(values, cmap="RdBu", vmin=-most, vmax=most, aspect="auto")
    write_in_cells(axes, values, ".1f", np.abs(values) > 0.65 * most)
    for text in axes.texts:
        if text.get_position()[0] == values.shape[1] - 1:
            text.set_fontweight("bold")
    names = [MONTHS[int(m) - 1] if m != "year" else "year" for m in monthly.columns]
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(monthly)), [str(year) for year in monthly.index])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_color(colours.PALE)
    return chart


def _thousands(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(lambda value, _: words.money(value))
    axes.set_ylim(bottom=0)
