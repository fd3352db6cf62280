"""Signal charts: the components of every ticker's signal, and the filters that multiply them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from tf_lib.core.decision import Decision
from tf_lib.core.signals.components import FILTERS, blended_components
from tf_lib.pages import colours, words
from tf_lib.pages.day.focus import FAINT, Window
from tf_lib.pages.style import Chart, date_axis, say_nothing_there, styled

DAYS_SHOWN = 180
_COLUMNS = 3
_PANEL_INCHES = 1.0

_RANK_COLOURS = (colours.BLUE, colours.ORANGE, colours.PURPLE, colours.SKY, colours.RED)
_FILTER_COLOURS = (colours.BLUE, colours.PURPLE, colours.ORANGE, colours.SKY, colours.RED)


@styled
def signal_components(decision: Decision, *, days_shown: int = DAYS_SHOWN) -> Chart:
    """Draw the ranks that are blended, their blend and the final signal of every ticker."""
    title = _signals_title(_today(decision, "final_signal"))
    ranks = [(one.rank, one.label) for one, _ in blended_components(decision.config)]
    return _small_multiples(
        decision,
        title,
        lines=[*_coloured(ranks, _RANK_COLOURS), ("weighted_signal", colours.INK, "blend")],
        area=("final_signal", "final signal (after filters, long only)"),
        limits=(-0.55, 0.55),
        days_shown=days_shown,
    )


def _coloured(
    named: Sequence[tuple[str, str]], palette: Sequence[str]
) -> list[tuple[str, str, str]]:
    """Return column, colour and label of each line."""
    pairs = zip(named, itertools.cycle(palette), strict=False)
    return [(column, colour, label) for (column, label), colour in pairs]


def _signals_title(final: dict[str, float]) -> str:
    """Say who has a signal; a day that trades on next to none must not look like a strong one."""
    strongest = sorted(((v, t) for t, v in final.items() if v > 0), reverse=True)
    names = [f"{ticker} {words.signal(value)}" for value, ticker in strongest if value >= FAINT]
    faint = len(strongest) - len(names)
    of_all = f"of {words.counted(len(final), 'ticker')}"
    if not strongest:
        return f"None {of_all} has a signal today"
    if not names:
        value, ticker = strongest[0]
        most = f"the strongest is {ticker} {words.signal(value)}, of at most 0.5"
        return f"{faint} {of_all} {_have(faint)} a signal, and all are faint: {most}"
    more = f"; {faint} more {_have(faint)} a faint one" if faint else ""
    return (
        f"{len(names)} {of_all} {_have(len(names))} a signal: {words.listed(names, most=4)}{more}"
    )


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


@styled
def filters(decision: Decision, *, days_shown: int = DAYS_SHOWN) -> Chart:
    """Draw trend quality, volatility-of-volatility penalty and the regime filter they make."""
    regime = _today(decision, "regime_filter")
    known = {t: v for t, v in regime.items() if np.isfinite(v)}
    half = words.listed(sorted(t for t, v in known.items() if v >= 0.5))
    title = (
        f"The filters let through at least half of: {half}"
        if half
        else "The filters let through less than half of every signal"
    )
    if not known:
        title = "The filters are not defined yet for any ticker"
    return _small_multiples(
        decision,
        title,
        lines=_coloured([(one.column, one.label) for one in FILTERS], _FILTER_COLOURS),
        area=("regime_filter", "regime filter (what multiplies the blend)"),
        limits=(-0.03, 1.06),
        days_shown=days_shown,
    )


def _today(decision: Decision, column: str) -> dict[str, float]:
    signals = decision.signals
    row = signals[column][signals.row_of(decision.as_of)]
    return {ticker: float(row[j]) for j, ticker in enumerate(signals.tickers)}


def _small_multiples(
    decision: Decision,
    title: str,
    *,
    lines: Sequence[tuple[str, str, str]],
    area: tuple[str, str],
    limits: tuple[float, float],
    days_shown: int,
) -> Chart:
    signals = decision.signals
    count = len(signals.tickers)
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    chart = Chart(title, _PANEL_INCHES * rows + 0.4 * (rows - 1) + 0.55)
    panels = chart.panels(rows, columns, left=0.42, gaps=(0.16, 0.4), below=0.55)
    for k, (axes, ticker) in enumerate(zip(panels, signals.tickers, strict=False)):
        window = Window.of(decision, ticker, days_shown)
        value = window[area[0]]
        axes.set_title(f"{ticker}  {words.signal(value[-1])}")
        _scale(axes, limits, is_left=k % columns == 0)
        if not any(np.isfinite(window[name]).any() for name in (area[0], lines[0][0])):
            say_nothing_there(axes, _why_empty(decision, k))
            continue
        axes.fill_between(
            window.bar_days, 0.0, value, color=colours.GREEN, alpha=0.35, linewidth=0, label=area[1]
        )
        for name, colour, label in lines:
            axes.plot(window.bar_days, window[name], color=colour, linewidth=0.9, label=label)
        date_axis(axes, window.bar_days, most=3, labels=k + columns >= count)
    for axes in panels[count:]:
        axes.set_visible(False)
    _legend(chart, panels[:count])
    return chart


def _scale(axes: Axes, limits: tuple[float, float], *, is_left: bool) -> None:
    """Give all panels the same three ticks, labelled at the left only; few ticks draw fast."""
    ticks = [-0.5, 0.0, 0.5] if limits[0] < -0.1 else [0.0, 0.5, 1.0]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks] if is_left else [""] * 3)
    axes.set_ylim(*limits)
    if limits[0] < -0.1:
        axes.axhline(0.0, color=colours.GREY, linewidth=0.6)


def _why_empty(decision: Decision, j: int) -> str:
    at = decision.signals.row_of(decision.as_of)
    have, need = int(decision.signals.history_bars[at, j]), decision.config.run.warmup_days
    if have < need:
        return f"{have} of {need} days\nof history"
    return "undefined"


def _legend(chart: Chart, panels: list[Axes]) -> None:
    """Put one legend at the bottom, from the first panel that has something drawn."""
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        if handles:
            chart.legend(handles, labels, loc="lower left", ncols=len(labels), columnspacing=1.2)
            return
