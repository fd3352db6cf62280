"""
Study: the days, bars and products that all sets of a sweep share, and the sets ready to run.

Second stage of a sweep (grid -> *study* -> evaluations -> verdict). A set's key names everything
its result depends on, so that a stopped sweep knows what is done and a trial is counted once.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tf_lib import __version__
from tf_lib.core.candles.bars import Bars, lag_bars
from tf_lib.core.candles.intraday_bars import IntradayBars
from tf_lib.core.model.products import products_for
from tf_lib.core.model.records import Product
from tf_lib.errors import BarsError, ParameterError
from tf_lib.parameters import Config, config_from_mapping
from tf_lib.research.backtest.history import Candles
from tf_lib.research.backtest.shorter_candles import NO_INTRADAY, Intraday
from tf_lib.research.sweep.grid import Changes, Grid
from tf_lib.research.sweep.set_keys import digest, effective_text, signals_key


@dataclass(frozen=True, slots=True)
class PlannedSet:
    """
    One parameter set, checked.

    Attributes
    ----------
    number : int
        Its place in the grid, from 0.
    changes : mapping of path to value
    key : str
        Names parameters, bars, products and days; empty for an invalid set.
    signals_key : str
        Equal for sets whose signals are the same.
    problem : str
        Why it is invalid; empty when it is not.
    """

    number: int
    changes: Changes
    key: str
    signals_key: str
    problem: str = ""


@dataclass(frozen=True)
class Study:
    """
    Everything an evaluation needs besides the set itself; goes to each worker once.

    Attributes
    ----------
    base : mapping
        Parameters that sets change, as plain values.
    bars : Bars
    products : mapping of ticker to Product
    start, end : date
        The days every set lives, both included.
    fingerprint : str
        Of bars, products, days and the version of this library.
    intraday : mapping of ticker to IntradayBars
    """

    base: Mapping[str, Any]
    bars: Bars
    products: Mapping[str, Product]
    start: dt.date
    end: dt.date
    fingerprint: str
    intraday: Intraday = field(default_factory=dict)

    @property
    def n_days(self) -> int:
        """Days every set lives."""
        return (self.end - self.start).days + 1

    @property
    def identity(self) -> str:
        """Name of all that an evaluation reads here: the fingerprint and what sets change."""
        return digest(self.fingerprint, repr(self.base))

    def config(self, changes: Changes) -> Config:
        """Return the parameters of one set; `ParameterError` when they are not valid."""
        return config_from_mapping(changed(self.base, changes), source="the set")


def changed(base: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """
    Return plain parameters with some dotted paths changed; `base` stays as it is.

    Examples
    --------
    >>> changed({"a": {"b": 1, "c": 2}}, {"a.b": 5})
    {'a': {'b': 5, 'c': 2}}
    """
    mapping = dict(base)
    for path, value in changes.items():
        *sections, last = path.split(".")
        here = mapping
        for name in sections:
            here[name] = dict(here[name])
            here = here[name]
        here[last] = value
    return mapping


def make_study(
    candles: Candles | Bars,
    config: Config,
    grid: Grid,
    *,
    products: Mapping[str, Product] | None = None,
    span: tuple[dt.date, dt.date] | None = None,
    intraday: Intraday = NO_INTRADAY,
) -> tuple[Study, tuple[PlannedSet, ...]]:
    """
    Check every set and find the days that all of them can live.

    Parameters
    ----------
    candles : mapping of ticker to DataFrame, or Bars
    config : Config
        What the sets change.
    grid : Grid
    products : mapping of ticker to Product, optional
        What is missing comes from the built-in table.
    span : (date, date), optional
        First and last day; default ``run.start_date`` and ``run.end_date``. It is cut to the
        days that every valid set can decide, so that all are compared on the same days.
    intraday : mapping of ticker to IntradayBars, optional
        Candles shorter than a day (`tf_lib.research.backtest.run_backtest.backtest`).

    Returns
    -------
    (Study, tuple of PlannedSet)
        Invalid sets are there, too, with the problem.

    Raises
    ------
    ParameterError
        If no set is valid, or there is but one day.
    BarsError
        If bars and span have no day in common.
    """
    base = config.model_dump(mode="python")
    checked = _Checked(base, effective_text(config), grid)
    bars = candles if isinstance(candles, Bars) else _lagged(candles, checked.tickers)
    bars = bars.select(checked.tickers)
    start, end = _common_span(bars, checked.needs, span or _configured_span(config))
    if start == end:
        raise ParameterError(
            f"every set would live 1 day, {start}; a sweep compares Sharpe ratios of daily "
            "returns, which takes at least 2 days (and a verdict many more): choose an "
            "earlier start or a later end"
        )
    table = products_for(tuple(checked.tickers), products)
    shorter = {ticker: intraday[ticker] for ticker in checked.tickers if ticker in intraday}
    fingerprint = digest(
        __version__,
        _bytes_of(bars),
        repr(sorted(table.items())),
        f"{start}{end}",
        *(part for ticker, its in shorter.items() for part in _parts_of(ticker, its)),
    )
    study = Study(base, bars, table, start, end, fingerprint, shorter)
    return study, tuple(checked.planned(fingerprint))


class _Checked:
    """
    Every set of a grid, checked, and what is needed to name it once the days are known.

    Parameters of all sets at once would be twenty times as many bytes.
    """

    def __init__(self, base: Mapping[str, Any], text: str, grid: Grid) -> None:
        self._sets = grid.sets
        # Texts of sets differ from the base's in a few numbers.
        self._like = text.encode()
        self._names: list[tuple[bytes, str] | str] = []
        # Bars of warm-up, and of which tickers.
        self.needs: set[tuple[int, tuple[str, ...]]] = set()
        signals: dict[str, str] = {}
        for changes in grid.sets:
            one = _config_or_problem(base, changes)
            if isinstance(one, str):
                self._names.append(one)
                continue
            self.needs.add((one.run.warmup_days, one.universe.sorted_tickers))
            key = signals_key(one)
            self._names.append((self._packed(effective_text(one)), signals.setdefault(key, key)))
        if not self.needs:
            raise ParameterError(
                f"none of the {len(self._names)} sets is valid; the first: {self._names[0]!s}"
            )

    @property
    def tickers(self) -> list[str]:
        """All that any set trades, by name."""
        return sorted({ticker for _, tickers in self.needs for ticker in tickers})

    def _packed(self, text: str) -> bytes:
        packer = zlib.compressobj(level=1, zdict=self._like)
        return packer.compress(text.encode()) + packer.flush()

    def planned(self, fingerprint: str) -> Iterator[PlannedSet]:
        """Yield the sets in the order of the grid, the invalid ones, too."""
        for number, (changes, name) in enumerate(zip(self._sets, self._names, strict=True)):
            if isinstance(name, str):
                yield PlannedSet(number, changes, "", "", name)
                continue
            text = zlib.decompressobj(zdict=self._like).decompress(name[0])
            yield PlannedSet(number, changes, digest(fingerprint, text), name[1])


def _config_or_problem(base: Mapping[str, Any], changes: Changes) -> Config | str:
    try:
        return config_from_mapping(changed(base, changes), source="the set")
    except ParameterError as error:
        return str(error).replace("the set: ", "").replace("\n", "; ")


def plan_set(study: Study, number: int, changes: Changes) -> PlannedSet:
    """Return one more set of a study, checked; its days and tickers are the study's."""
    checked = _config_or_problem(study.base, changes)
    if isinstance(checked, str):
        return PlannedSet(number, changes, "", "", checked)
    key = digest(study.fingerprint, effective_text(checked))
    return PlannedSet(number, changes, key, signals_key(checked))


def _configured_span(config: Config) -> tuple[dt.date, dt.date]:
    run = config.run
    return dt.date.fromisoformat(run.start_date), dt.date.fromisoformat(run.end_date)


def _lagged(candles: Candles, tickers: Sequence[str]) -> Bars:
    missing = [ticker for ticker in tickers if ticker not in candles]
    if missing:
        raise BarsError(f"no candles of {', '.join(missing)}; there are {', '.join(candles)}")
    return lag_bars({ticker: candles[ticker] for ticker in tickers})


def _common_span(
    bars: Bars, needs: Set[tuple[int, tuple[str, ...]]], span: tuple[dt.date, dt.date]
) -> tuple[dt.date, dt.date]:
    """Cut a span to the days on which every set has a ticker with enough history."""
    first = max(_first_decidable(bars, *need) for need in needs)
    # The last row is the day after the last bar, which has no prices to run on.
    last = len(bars.days) - 2
    start, end = max(span[0], bars.days[0].date()), min(span[1], bars.days[max(last, 0)].date())
    if first <= last:
        start = max(start, bars.days[first].date())
    if first > last or start > end:
        what = (
            f"days {bars.days[first].date()} to {bars.days[last].date()} can be decided"
            if first <= last
            else f"no day can be decided, sets need up to {max(n for n, _ in needs)} bars"
        )
        raise BarsError(f"the span {span[0]} to {span[1]} has no day in common: {what}")
    return start, end


def _first_decidable(bars: Bars, warmup_days: int, tickers: Sequence[str]) -> int:
    rows = [len(bars.days)]
    for ticker in tickers:
        j = bars.tickers.index(ticker)
        enough = int(bars.first_row[j]) + warmup_days - 1
        there = np.flatnonzero(bars.present[enough:, j])
        if there.size:
            rows.append(enough + int(there[0]))
    return min(rows)


def _parts_of(ticker: str, shorter: IntradayBars) -> tuple[str | bytes, ...]:
    return f"{ticker}{shorter.step}", shorter.start.tobytes(), shorter.values.tobytes()


def _bytes_of(bars: Bars) -> bytes:
    grids = (bars.open, bars.high, bars.low, bars.close, bars.present, bars.recovering)
    names = f"{bars.tickers}{bars.days[0]}{len(bars.days)}".encode()
    return names + b"".join(np.ascontiguousarray(grid).tobytes() for grid in grids)


def in_chunks(sets: Sequence[PlannedSet], *, most: int) -> Iterator[tuple[PlannedSet, ...]]:
    """Yield sets in portions, those with equal signals beside each other."""
    ordered = sorted(sets, key=lambda one: (one.signals_key, one.number))
    for start in range(0, len(ordered), most):
        yield tuple(ordered[start : start + most])
