"""
The candle cache: all finished daily bars, one request per ticker on a normal day.

The first time, history is read back until it ends. Later only the days since the last bar are
asked for, with a few days again: a bar that was seen and has changed is a *revision*, used from
then on and written to ``revisions.jsonl``. The bar of the running day never enters.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tf_lib.core.candles.rows import FIELDS
from tf_lib.errors import ExchangeError, RetryableError, StateError
from tf_lib.exchange.port import MOST_DAYS_PER_PAGE, Bar, MarketData
from tf_lib.store.candle_file import Candles, read_candles, write_candle_file
from tf_lib.store.files import append_json_line, first_free

if TYPE_CHECKING:
    import pandas as pd

HISTORY_START = dt.date(2015, 1, 1)
OVERLAP_DAYS = 7
# A product may rest for years and come back (XRP-USD did): four pages are 1,200 days.
_EMPTY_PAGES_AT_THE_END = 4
_FAILURES_BEFORE_GIVING_UP = 3
_ONE_DAY = dt.timedelta(days=1)
# A bar that has closed was seen to be listed up to a minute late (facts file, section 1.4).
LISTED_WITHIN = dt.timedelta(seconds=150)
_LOOK_AGAIN_SECONDS = 10.0


@dataclass(frozen=True)
class Revision:
    """A number of a bar that was seen before and is another now; `old` None: no bar then."""

    ticker: str
    day: dt.date
    column: str
    old: float | None
    new: float


@dataclass
class CandleUpdate:
    """
    What an update brought.

    Attributes
    ----------
    frames : dict of ticker to DataFrame
        All finished bars through the day asked for, float, on a rising UTC index. A ticker
        whose bars could not be read has what the cache holds, or an empty frame.
    revisions : list of Revision
    requests : int
        Candle requests made.
    problems : list of str
        Each begins with the ticker it is about.
    """

    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    revisions: list[Revision] = field(default_factory=list)
    requests: int = 0
    problems: list[str] = field(default_factory=list)

    def closed_late(self, last: dt.date) -> list[str]:
        """Return the tickers that have the bar of the day before `last`, but not that of `last`."""
        before = last - _ONE_DAY
        return [
            ticker
            for ticker, frame in self.frames.items()
            if len(frame) and frame.index[-1].date() == before
        ]

    def take(self, later: CandleUpdate) -> None:
        """Take over what a later update of some tickers brought."""
        self.frames.update(later.frames)
        self.revisions += later.revisions
        self.requests += later.requests
        self.problems += [text for text in later.problems if text not in self.problems]


class CandleCache:
    """The daily bars of each ticker, in a folder of one file per ticker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def kept(self, ticker: str) -> pd.DataFrame | None:
        """Return the bars that are kept of a ticker, or None; the exchange is not asked."""
        try:
            found = read_candles(self.folder / f"{ticker}.parquet", ticker)
        except StateError:
            return None
        return None if found is None else found.frame()

    def update(
        self,
        client: MarketData,
        tickers: Iterable[str],
        through: dt.date,
        *,
        today: dt.date | None = None,
    ) -> CandleUpdate:
        """
        Bring every ticker up to a day and return all its bars.

        Parameters
        ----------
        client : MarketData
        tickers : iterable of str
        through : date
            Last day wanted. The exchange's running day and what follows are never asked for.
        today : date, optional
            The exchange's running day; read from the exchange when it is not given.

        Raises
        ------
        ExchangeError
            Only if the exchange does not tell the time; one ticker's failure is a problem.
        """
        now = client.line.server_time() if today is None else _midnight(today)
        update = CandleUpdate()
        last = min(through, now.date() - _ONE_DAY)
        failures = 0
        for ticker in sorted(tickers):
            work = _TickerUpdate(self.folder, client, ticker, last, update)
            candles = work.cached()
            if failures >= _FAILURES_BEFORE_GIVING_UP:
                work.problem("not asked for, the exchange does not answer")
            else:
                try:
                    candles = work.refreshed(candles)
                    failures = 0
                except ExchangeError as error:
                    failures += isinstance(error, RetryableError)
                    work.problem(f"candles could not be read: {error}")
            update.frames[ticker] = (candles or Candles.of({})).through(last).frame()
        self._log(update.revisions, now)
        return update

    def update_when_closed(
        self,
        client: MarketData,
        tickers: Iterable[str],
        day: dt.date,
        *,
        now: Callable[[], dt.datetime],
        pause: Callable[[float], None],
    ) -> CandleUpdate:
        """
        Bring every ticker up to the day before `day`, giving bars that just closed time to appear.

        Without them a run that starts a minute after midnight would trade nothing. Until
        `LISTED_WITHIN` after midnight, tickers whose last bar is one day old are asked for again.

        Parameters
        ----------
        day : date
            The exchange's running day.
        now : callable
            The exchange's time.
        pause : callable
            Waits so many seconds of the exchange's time.
        """
        last = day - _ONE_DAY
        update = self.update(client, tickers, last, today=day)
        while now() < _midnight(day) + LISTED_WITHIN:
            late = update.closed_late(last)
            if not late:
                break
            pause(_LOOK_AGAIN_SECONDS)
            update.take(self.update(client, late, last, today=day))
        return update

    def _log(self, revisions: Iterable[Revision], now: dt.datetime) -> None:
        for one in revisions:
            append_json_line(
                self.folder / "revisions.jsonl", {"at": now.isoformat(), **asdict(one)}
            )


@dataclass
class _TickerUpdate:
    """One ticker's way from the cache to its bars through `last`."""

    folder: Path
    client: MarketData
    ticker: str
    last: dt.date
    update: CandleUpdate

    @property
    def path(self) -> Path:
        return self.folder / f"{self.ticker}.parquet"

    def problem(self, text: str) -> None:
        self.update.problems.append(f"{self.ticker}: {text}")

    def cached(self) -> Candles | None:
        """Return what the cache holds; a file that cannot be trusted is set aside."""
        try:
            return read_candles(self.path, self.ticker)
        except StateError as error:
            names = (f"{self.path.name}.set-aside-{n}" for n in itertools.count(1))
            aside = first_free(map(self.path.with_name, names))
            self.path.replace(aside)
            self.problem(f"cache set aside as {aside.name} and read again: {error}")
            return None

    def refreshed(self, cached: Candles | None) -> Candles:
        """Ask for what is missing and keep it; return all bars."""
        if cached is None or cached.last_day is None:
            return self._kept(Candles.of(self._history()), None)
        first = min(cached.last_day, self.last) - (OVERLAP_DAYS - 1) * _ONE_DAY
        fetched: dict[dt.date, Bar] = {}
        for page_first, page_last in day_pages(first, self.last):
            fetched.update(self._page(page_first, page_last))
        if _is_another_market(cached, fetched):
            self.problem("the cache is of another market, all history is read again")
            return self._kept(Candles.of(self._history()), cached)
        self._note_vanished(cached, fetched, first)
        good = {d: bar for d, bar in fetched.items() if self._is_acceptable(d, bar, cached)}
        return self._kept(cached.merged(good), cached)

    def _history(self) -> dict[dt.date, Bar]:
        bars: dict[dt.date, Bar] = {}
        empty_pages = 0
        last = self.last
        while last >= HISTORY_START and empty_pages < _EMPTY_PAGES_AT_THE_END:
            first = max(last - (MOST_DAYS_PER_PAGE - 1) * _ONE_DAY, HISTORY_START)
            page = self._page(first, last)
            empty_pages = 0 if page else empty_pages + 1
            bars.update(page)
            last = first - _ONE_DAY
        return bars

    def _page(self, first: dt.date, last: dt.date) -> dict[dt.date, Bar]:
        self.update.requests += 1
        return self.client.candle_page(self.ticker, first, last)

    def _is_acceptable(self, day: dt.date, bar: Bar, cached: Candles) -> bool:
        """Note what changed; a good bar is not given up for one that is no number."""
        known = cached.bar(day)
        if cached.last_day is not None and day > cached.last_day:
            return True
        if known is not None and not _is_number(bar):
            if _is_number(known):
                self.problem(f"the bar of {day} is no number any more, the one seen is kept")
            return False
        for column, name in enumerate(FIELDS):
            old = known[column] if known is not None and _is_number(known) else None
            if old != bar[column]:
                self.update.revisions.append(Revision(self.ticker, day, name, old, bar[column]))
        return True

    def _note_vanished(self, cached: Candles, fetched: dict[dt.date, Bar], first: dt.date) -> None:
        for offset in range(OVERLAP_DAYS):
            day = first + offset * _ONE_DAY
            if day <= self.last and day not in fetched and _is_number(cached.bar(day)):
                self.problem(f"the bar of {day} is not listed any more, the one seen is kept")

    def _kept(self, candles: Candles, before: Candles | None) -> Candles:
        """Write the cache when it changed; a disk that refuses costs only the next update."""
        if before is None or not before.same_as(candles):
            try:
                write_candle_file(self.path, self.ticker, candles)
            except OSError as error:
                self.problem(f"the cache could not be written: {error}")
        return candles


def day_pages(first_day: dt.date, last_day: dt.date) -> list[tuple[dt.date, dt.date]]:
    """Return the spans of at most 300 days that cover both days, oldest first."""
    pages = []
    first = first_day
    while first <= last_day:
        last = min(first + (MOST_DAYS_PER_PAGE - 1) * _ONE_DAY, last_day)
        pages.append((first, last))
        first = last + _ONE_DAY
    return pages


def _is_number(bar: Bar | None) -> bool:
    return bar is not None and all(math.isfinite(value) for value in bar)


def _is_another_market(cached: Candles, fetched: dict[dt.date, Bar]) -> bool:
    """Whether most days seen before have another close: not a revision, another exchange."""
    both = [(cached.bar(day), bar) for day, bar in fetched.items()]
    seen = [(old[3], new[3]) for old, new in both if old is not None and _is_number(old)]
    differing = sum(old != new for old, new in seen)
    return len(seen) >= 3 and 2 * differing > len(seen)


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC)
