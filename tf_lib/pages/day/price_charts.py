"""
Price charts: where each ticker stands in its ribbon, its channel and above its stop.

Everything is drawn at the day of the last bar known, so that a chart can be laid beside any
other chart of the same market.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from tf_lib.core.candles.bars import Bars
from tf_lib.core.decision import Decision
from tf_lib.core.model.run_rows import FillRow, StopRow
from tf_lib.core.signals.columns import Signals
from tf_lib.pages import colours, words
from tf_lib.pages.day.focus import DUST, Window, in_focus
from tf_lib.pages.day.reasons import why
from tf_lib.pages.style import Chart, date_axis, legend_above, say_nothing_there, styled
from tf_lib.text.tickers import quote_of

DAYS_SHOWN = 200


@styled
def price_chart(
    decision: Decision,
    bars: Bars,
    ticker: str,
    *,
    stops: Sequence[StopRow] = (),
    fills: Sequence[FillRow] = (),
    days_shown: int = DAYS_SHOWN,
) -> Chart:
    """
    Draw one ticker: price, ribbon, Donchian band, stop level, and where it was traded.

    Parameters
    ----------
    decision : Decision
        The day's decision, with its signals.
    bars : Bars
        The lagged bars that the signals were made from.
    ticker : str
    stops : rows of `stop_updates`
        What rests at the exchange; the ticker's own row gives the level drawn.
    fills : rows of orders
        With ``product_id``, ``side``, ``filled_size``, ``average_price`` and, when they are not
        of the day decided, ``date``.
    """
    window = Window.of(decision, ticker, days_shown)
    stop = _resting_level(stops, ticker)
    title, numbers = _title(decision, ticker, stop)
    chart = Chart(title, 2.7, note=numbers)
    (axes,) = chart.panels(left=0.62)
    if not np.isfinite(window["close"]).any():
        say_nothing_there(axes, "no bars yet")
        return chart
    _draw_market(axes, bars, window)
    _draw_stop_level(axes, window)
    _draw_resting_stop(axes, window, stop)
    _draw_fills(axes, fills, ticker, decision)
    axes.set_ylabel(f"price, {quote_of(ticker)}")
    date_axis(axes, window.bar_days)
    _fit_height(axes, bars, window)
    _draw_signal(axes, window)
    legend_above(axes, columns=9, is_tight=True)
    return chart


@styled
def compact_prices(decision: Decision, *, days_shown: int = DAYS_SHOWN) -> Chart | None:
    """Draw the tickers that are not in focus as small multiples; None when there are none."""
    signals, focus = decision.signals, in_focus(decision)
    others = [t for t in signals.tickers if t not in focus]
    if not others:
        return None
    rows = -(-len(others) // 3)
    chart = Chart(
        f"{words.counted(len(others), 'ticker')} with next to no signal and nothing held or wanted",
        1.15 * rows + 0.2,
        note="Close (dark), ribbon of averages (blue rising, orange falling), "
        f"{signals.stop.label} stop (dashed)",
    )
    panels = chart.panels(rows, 3, left=0.12, gaps=(0.16, 0.42))
    for axes, ticker in zip(panels, others, strict=False):
        _compact_panel(axes, ticker, Window.of(decision, ticker, days_shown))
    for axes in panels[len(others) :]:
        axes.set_visible(False)
    return chart


def _compact_panel(axes: Axes, ticker: str, window: Window) -> None:
    close = window["close"]
    axes.set_title(f"{ticker}  {words.price(close[-1])}")
    if not np.isfinite(close).any():
        say_nothing_there(axes, "no bars yet")
        return
    _draw_ribbon(axes, window, with_lines=False)
    axes.plot(window.bar_days, close, color=colours.INK, linewidth=1.0)
    _draw_stop_level(axes, window)
    date_axis(axes, window.bar_days, most=3)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _title(decision: Decision, ticker: str, stop: float) -> tuple[str, str]:
    """Return what was decided in words, and the numbers behind it."""
    row = decision.to_mapping()["tickers"][ticker]
    held, close = words.number(row["current_notional"]), words.number(row["close"])
    worth = f"{words.money(held)} {quote_of(ticker)}"
    parts = [f"{worth} held before the trades" if held > DUST else "Not held before the trades"]
    parts.append(f"signal {words.signal(row['final_signal'])}")
    parts.append(f"close {words.price(close)}")
    level, name = stop, "stop"
    if not np.isfinite(stop):
        strategy = decision.signals.stop
        level, name = row[strategy.column], f"{strategy.label} stop"
    distance = 1.0 - words.number(level) / close
    if np.isfinite(distance):
        side = "below" if distance >= 0 else "above"
        parts.append(f"{name} {words.price(level)}, {words.percent(abs(distance))} {side}")
    return f"{ticker}: {why(decision, row)}", "; ".join(parts)


def _resting_level(stops: Sequence[StopRow], ticker: str) -> float:
    rows = [row for row in stops if row.get("product") == ticker]
    return words.number(rows[-1].get("resting_level")) if rows else float("nan")


def _ribbon_names(signals: Signals) -> list[str]:
    """Return the columns of the ribbon, fastest first."""
    names = [name for name in signals.values if name.startswith("ema_")]
    return sorted(names, key=lambda name: float(name.removeprefix("ema_")))


def _draw_ribbon(axes: Axes, window: Window, *, with_lines: bool = True) -> None:
    names = _ribbon_names(window.signals)
    if not names:
        return
    averages = np.exp(np.array([window[name] for name in names]))
    fast, slow = averages[0], averages[-1]
    for rises, colour, name in ((True, colours.BLUE, "ribbon up"), (False, colours.ORANGE, "down")):
        axes.fill_between(
            window.bar_days,
            fast,
            slow,
            where=((fast >= slow) == rises).tolist(),
            color=colour,
            alpha=0.16,
            linewidth=0,
            interpolate=True,
            label=name,
        )
    if with_lines:
        for average in averages:
            axes.plot(window.bar_days, average, color=colours.GREY, linewidth=0.4, alpha=0.6)


def _draw_market(axes: Axes, bars: Bars, window: Window) -> None:
    days = window.bar_days
    _draw_ribbon(axes, window)
    for name, label in (("donchian_upper", "Donchian"), ("donchian_lower", "_")):
        axes.step(days, window[name], where="post", color=colours.SKY, lw=0.9, label=label)
    low, high = window.of_prices(bars.low), window.of_prices(bars.high)
    known = np.isfinite(low) & np.isfinite(high)
    spans = [
        ((x, lo), (x, hi)) for x, lo, hi in zip(days[known], low[known], high[known], strict=True)
    ]
    axes.add_collection(LineCollection(spans, colors=colours.PALE, linewidths=1.0, zorder=1.5))
    axes.plot(days, window["close"], color=colours.INK, label="close")


def _draw_stop_level(axes: Axes, window: Window) -> None:
    """Draw the level of each day; faint where the close lies below it and nothing may be held."""
    strategy = window.signals.stop
    levels, close = window[strategy.column], window["close"]
    look: dict[str, Any] = {"where": "post", "color": colours.RED, "linestyle": (0, (3, 2))}
    axes.step(window.bar_days, levels, linewidth=0.8, alpha=0.35, **look)
    useful = np.where(close > levels, levels, np.nan)
    axes.step(window.bar_days, useful, linewidth=1.1, label=f"{strategy.label} stop", **look)


def _draw_resting_stop(axes: Axes, window: Window, stop: float) -> None:
    if np.isfinite(stop):
        first, last = window.bar_days[[0, -1]]
        x = [last - 0.10 * (last - first), last + 1.0]
        axes.plot(x, [stop, stop], color=colours.RED, linewidth=2.6, label="resting stop")


def _draw_signal(axes: Axes, window: Window) -> None:
    """Mark along the bottom on which days there was a signal to hold the ticker."""
    axes.fill_between(
        window.bar_days,
        0.0,
        0.022,
        where=(np.nan_to_num(window["final_signal"]) > 0).tolist(),
        transform=axes.get_xaxis_transform(),
        color=colours.GREEN,
        linewidth=0,
        label="signal",
    )


def _draw_fills(axes: Axes, fills: Sequence[FillRow], ticker: str, decision: Decision) -> None:
    looks = {"BUY": ("^", colours.GREEN, "bought"), "SELL": ("v", colours.RED, "sold")}
    drawn: set[str] = set()
    for row in fills:
        is_filled = words.number(row.get("filled_size")) > 0
        if row.get("product_id") != ticker or not is_filled or row.get("side") not in looks:
            continue
        marker, colour, name = looks[str(row["side"])]
        day = np.datetime64(str(row.get("date") or decision.as_of), "D").astype(np.int64)
        if day < axes.dataLim.x0:  # before what the chart shows
            continue
        axes.plot(
            [float(day)],
            [words.number(row.get("average_price"))],
            marker=marker,
            markersize=7,
            color=colour,
            markeredgecolor="white",
            linestyle="none",
            zorder=5,
            label="_" if name in drawn else name,
        )
        drawn.add(name)


def _fit_height(axes: Axes, bars: Bars, window: Window) -> None:
    """Fit the axis to prices and band; a stop level far away must not flatten them."""
    low = np.concatenate([window.of_prices(bars.low), window["donchian_lower"]])
    high = np.concatenate([window.of_prices(bars.high), window["donchian_upper"]])
    if not (np.isfinite(low).any() and np.isfinite(high).any()):
        return
    bottom, top = float(np.nanmin(low)), float(np.nanmax(high))
    room = 0.05 * (top - bottom) or 0.05 * top
    axes.set_ylim(bottom - room, top + room)
