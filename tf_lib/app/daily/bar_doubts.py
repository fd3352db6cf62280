"""Bar doubts: the bars that are not believed, in words for the record and for those who read it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import numpy as np

from tf_lib.core.candles.bars import LONG_GAP_DAYS
from tf_lib.core.candles.quarantine import Quarantined
from tf_lib.core.model.impediments import Impediment, ImpedimentKind
from tf_lib.core.signals.columns import Signals

SHOWN_FOR_DAYS = 60
"""How long a bar that is not believed stands in the day's record."""


def data_impediments(known: Signals, day: dt.date) -> list[Impediment]:
    """Return the products that are not traded because their bars are not believed, or end."""
    yesterday = day - dt.timedelta(days=1)
    return [
        *_ended_long_before(known, day),
        *_of_yesterday(known, yesterday),
    ]


def _ended_long_before(known: Signals, day: dt.date) -> list[Impediment]:
    """Return the tickers that had bars and have had none that counts for more than three days."""
    at = known.row_of(day)
    found = []
    for j, ticker in enumerate(known.tickers):
        good = np.flatnonzero(known.data_ok[: at + 1, j])
        if not good.size or at - good[-1] <= LONG_GAP_DAYS:
            continue
        last = known.days[good[-1]].date() - dt.timedelta(days=1)
        found.append(
            Impediment(
                ImpedimentKind.DATA_NOT_BELIEVED,
                f"the last bar that may be traded on is of {last}",
                "nothing of it is traded and its stop stays as it is. Where candles come from a "
                "folder they may end there: run with --date, or fetch newer ones",
                product=ticker,
            )
        )
    return found


def _of_yesterday(known: Signals, yesterday: dt.date) -> list[Impediment]:
    return [
        Impediment(
            ImpedimentKind.DATA_NOT_BELIEVED,
            f"the bar of {bar.day} (close {bar.close:.10g}) is not believed: {bar.why}",
            "nothing of it is traded today and its stop stays as it is; compare the bar with "
            "another source. It counts once the exchange revises it, or three later bars agree",
            product=bar.ticker,
        )
        for bar in known.quarantined
        if bar.day == yesterday
    ]


def bars_listed(bars: Iterable[Quarantined], *, through: dt.date) -> list[dict[str, Any]]:
    """Return what was not believed of late as plain values for inputs/data.json and the summary."""
    return [
        {
            "ticker": bar.ticker,
            "day": bar.day.isoformat(),
            "close": bar.close,
            "why": bar.why,
            "until": bar.until.isoformat() if bar.until else None,
        }
        for bar in bars
        if (through - bar.day).days <= SHOWN_FOR_DAYS
    ]
