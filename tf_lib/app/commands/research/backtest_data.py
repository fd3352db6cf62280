"""What the candles of a backtest lack or do not say truly, and what that did to the result."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from tf_lib.research.backtest.loop_records import FILL_REASONS, HELD, HISTORY_ENDED, STOP
from tf_lib.research.backtest.run_backtest import BacktestResult

_ONE_DAY = dt.timedelta(days=1)
Fact = dict[str, Any]


def data_facts(result: BacktestResult) -> list[Fact]:
    """
    Return what is to be known of the candles within the span, by ticker and day.

    Returns
    -------
    list of dict
        ticker (empty: all of them); kind: ``span_cut``, ``days_missing``, ``history_ended`` or
        ``not_believed``; first and last day; days; effect, in words.
    """
    facts = [*_missing(result), *_not_believed(result)]
    return [*_cut(result), *sorted(facts, key=lambda one: (one["ticker"], one["first"]))]


def intraday_days(result: BacktestResult) -> dict[str, Any]:
    """
    Return on how many days shorter candles said in which order prices came.

    Returns
    -------
    dict
        days; by_ticker, those that have some; stop_fills, what stops sold on such days.
    """
    has = result.history.market.shorter.has_any()[slice(*result.span)]
    counts = {t: int(n) for t, n in zip(result.tickers, has.sum(axis=0), strict=False) if n}
    fills = result.tape.fills
    stopped = fills[fills["reason"] >= STOP]
    on_such = has[stopped["row"] - result.span[0], stopped["ticker"]] if has.size else has
    return {
        "days": int(has.any(axis=1).sum()),
        "by_ticker": counts,
        "stop_fills": int(on_such.sum()),
    }


def intraday_in_words(result: BacktestResult) -> str:
    """Return the same as a sentence without its full stop; empty where there are none."""
    found = intraday_days(result)
    if not found["days"]:
        return ""
    each = ", ".join(f"{ticker} {n}" for ticker, n in found["by_ticker"].items())
    return (
        f"shorter candles say in which order prices came on {found['days']} of "
        f"{len(result.days)} days ({each}); {found['stop_fills']} fills of stops were on such days"
    )


def fact_in_words(fact: Fact) -> str:
    """Return one of `data_facts` as a sentence without its full stop."""
    whose = f"{fact['ticker']}: " if fact["ticker"] else ""
    what = _WORDS[fact["kind"]]
    if fact["days"] == 1:
        return f"{whose}{what} on {fact['first']}: {fact['effect']}"
    return (
        f"{whose}{what} {fact['first']} to {fact['last']} ({fact['days']} days): {fact['effect']}"
    )


_WORDS = {
    "span_cut": "asked for but not in the candles,",
    "days_missing": "no bars",
    "history_ended": "no more bars",
    "not_believed": "bars that are not believed",
}


def _fact(ticker: str, kind: str, span: tuple[dt.date, dt.date], effect: str) -> Fact:
    first, last = span
    return {
        "ticker": ticker,
        "kind": kind,
        "first": first.isoformat(),
        "last": last.isoformat(),
        "days": (last - first).days + 1,
        "effect": effect,
    }


def _cut(result: BacktestResult) -> list[Fact]:
    """Return the days that were wanted and could not be run."""
    (since, until), run_days = result.wanted, (result.days[0].date(), result.days[-1].date())
    facts = []
    if since < run_days[0] and since != dt.date.min:
        effect = f"the backtest begins on {run_days[0]}, the first day that can be decided"
        facts.append(_fact("", "span_cut", (since, run_days[0] - _ONE_DAY), effect))
    if until > run_days[1] and until != dt.date.max:
        effect = f"the candles end, and so does the backtest, on {run_days[1]}"
        facts.append(_fact("", "span_cut", (run_days[1] + _ONE_DAY, until), effect))
    return facts


def _missing(result: BacktestResult) -> list[Fact]:
    facts = []
    first, last = result.days[0].date(), result.days[-1].date()
    for gap in result.history.bars.gaps:
        span = max(gap.first_missing, first), min(gap.last_missing, last)
        if span[0] > span[1]:
            continue
        kind = "days_missing" if gap.filled else "history_ended"
        effect = _gap_effect(result, gap.ticker, span) if gap.filled else _end(result, gap.ticker)
        facts.append(_fact(gap.ticker, kind, span, effect))
    return facts


def _gap_effect(result: BacktestResult, ticker: str, span: tuple[dt.date, dt.date]) -> str:
    """Say for how long a ticker was not traded because of a gap, and how much of it was held."""
    j, row = result.tickers.index(ticker), result.history.bars.row_of(span[0] + _ONE_DAY)
    ok = result.history.known.data_ok[row : result.span[1], j]
    not_ok = int(ok.argmax()) if ok.any() else ok.size
    lines = slice(row - result.span[0], row - result.span[0] + not_ok)
    held = result.tape.cells[lines, HELD, j]
    said = f"flat bars, {not_ok} days without a decision on it"
    return (
        f"{said}, held on {int((held > 0).sum())} of them, up to {np.max(held, initial=0.0):,.2f}"
    )


def _end(result: BacktestResult, ticker: str) -> str:
    """Say what became of a holding whose history ended."""
    fills, j = result.tape.fills, result.tickers.index(ticker)
    sold = fills[(fills["ticker"] == j) & (fills["reason"] == HISTORY_ENDED)]
    if not sold.size:
        return "nothing of it was held, and nothing is bought"
    value, fee = float(sold["notional"].sum()), float(sold["fee"].sum())
    return f"sold at its last close for {value:,.2f} less fees of {fee:,.2f} ({_REASON})"


_REASON = FILL_REASONS[HISTORY_ENDED]


def _not_believed(result: BacktestResult) -> list[Fact]:
    first, last = result.days[0].date() - _ONE_DAY, result.days[-1].date()
    return [
        _fact(
            bar.ticker,
            "not_believed",
            (bar.day, bar.day),
            f"it counts as missing in every window, {bar.why}; "
            + (f"believed from {bar.until} on" if bar.until else "to the end"),
        )
        for bar in result.history.known.quarantined
        if first <= bar.day <= last
    ]
