"""
Shadow: one live day beside the backtest of that day, and the difference split by cause.

From the moment the day's account was read to the moment the next day's was, both begin with the
same holdings and end at the same prices. Between the two stand days of which each differs from
the one before in one respect only; the steps add up to the whole difference, whatever happened::

    backtest on candles as known now   -> data revision
    on candles as they were            -> timing             prices moved before the order went out
    the live decision, in ideal sizes  -> rounding           sizes as ordered
    as ordered, filled in full         -> missed fills       sizes as filled
    as filled, at the model's price    -> slippage           prices as filled
    at the model's fee                 -> fees               fees as paid
    own orders                         -> manual trades      what others did to the account
    the account                        -> unexplained        whatever is left

A stop that sold less than the model's counts as missed, one that sold more as timing: daily bars
do not know the path. Sizes are base units, signed; money is in quote currency.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

CAUSES = (
    "data_revision",
    "timing",
    "rounding",
    "missed_fills",
    "slippage",
    "fees",
    "manual_trades",
)
# A manual trade has no price on record; cash that moved by less than this share of its value
# beside the day's open is taken to be its own.
_MANUAL_PRICE_RANGE = 0.25
_UNITS_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Flow:
    """What was traded: signed units, average price, fees in money."""

    units: float = 0.0
    price: float = 0.0
    fee: float = 0.0


@dataclass(frozen=True)
class StopOut:
    """What stops sold: share of the holding, average price, fee as a fraction."""

    share: float = 0.0
    price: float = 0.0
    fee_rate: float = 0.0


@dataclass(frozen=True)
class ModelDay:
    """What a backtest did with one ticker."""

    flow: Flow = Flow()
    stop: StopOut = StopOut()


@dataclass(frozen=True)
class TickerDay:
    """
    One ticker on one live day.

    Attributes
    ----------
    start_units : float
        Held when the account was read.
    start_price, end_price : float
        What it is valued at then, and when the next account was read.
    open_price : float
        Of the day's bar.
    revised, recorded : ModelDay
        The backtest on candles as known now, and as they were.
    reference_price : float
        The price the live decision was made at.
    ideal_units, planned_units : float
        What the live decision wanted in the backtest's lots, and what was ordered.
    filled : Flow
        What own orders did.
    stopped : StopOut
        What own stops did, as a share of what was then held.
    end_units : float
        Held when the next account was read.
    slippage, fee_rate : float
        The model's, as fractions.
    """

    start_units: float
    start_price: float
    end_price: float
    open_price: float
    revised: ModelDay
    recorded: ModelDay
    reference_price: float
    ideal_units: float
    planned_units: float
    filled: Flow
    stopped: StopOut
    end_units: float
    slippage: float
    fee_rate: float

    def value(self, flow: Flow, stop: StopOut) -> float:
        """Return cash and holding at the end, had this been traded and stopped out."""
        held = self.start_units + flow.units
        sold = held * stop.share
        cash = -flow.units * flow.price - flow.fee + sold * stop.price * (1.0 - stop.fee_rate)
        return cash + (held - sold) * self.end_price

    def at_model_cost(self, units: float, price: float) -> Flow:
        """Return a trade at the model's fee."""
        return Flow(units, price, abs(units) * price * self.fee_rate)

    @property
    def manual_units(self) -> float:
        """What others added to what own orders and stops leave, or took away."""
        own = (self.start_units + self.filled.units) * (1.0 - self.stopped.share)
        units = self.end_units - own
        scale = max(abs(self.start_units), abs(self.end_units), abs(self.filled.units))
        return units if abs(units) > _UNITS_TOLERANCE * max(scale, 1e-6) else 0.0


@dataclass(frozen=True)
class ShadowedDay:
    """
    A live day beside its shadow, in money.

    Attributes
    ----------
    day : date
    live_change, shadow_change : float
        Of equity, from one reading of the account to the next.
    causes : mapping of cause to float
        What each made the live day better (or worse) than its shadow.
    unexplained : float
    by_ticker : mapping of ticker to causes
        Without manual trades, whose cash belongs to no ticker.
    """

    day: dt.date
    live_change: float
    shadow_change: float
    causes: Mapping[str, float]
    unexplained: float
    by_ticker: Mapping[str, Mapping[str, float]]

    @property
    def difference(self) -> float:
        """Live less shadow."""
        return self.live_change - self.shadow_change


def split_ticker(day: TickerDay) -> dict[str, float]:
    """
    Return what each cause made of one ticker's day; manual trades are the account's.

    The parts add up to the value of own orders less the value of the backtest on candles as
    known now.
    """
    side = 1.0 if day.ideal_units > 0 or day.planned_units > 0 or day.filled.units > 0 else -1.0
    model_price = day.reference_price * (1.0 + side * day.slippage)
    stop, live = day.recorded.stop, day.stopped
    filled = day.at_model_cost(day.filled.units, model_price)
    priced = day.at_model_cost(day.filled.units, day.filled.price)
    # Where the model's stop did not fire there is no model price to compare with.
    at_model = {"price": stop.price, "fee_rate": stop.fee_rate}
    sold = replace(live, **(at_model if stop.share > 0 else {"fee_rate": day.fee_rate}))
    stop_cause = "missed_fills" if live.share < stop.share else "timing"
    ideal = day.at_model_cost(day.ideal_units, model_price)
    planned = day.at_model_cost(day.planned_units, model_price)
    steps: list[tuple[str, Flow, StopOut]] = [
        ("data_revision", day.recorded.flow, stop),
        ("timing", ideal, stop),
        ("rounding", planned, stop),
        ("missed_fills", filled, stop),
        ("slippage", priced, stop),
        ("fees", day.filled, stop),
        (stop_cause, day.filled, sold),
        ("slippage", day.filled, replace(sold, price=live.price)),
        ("fees", day.filled, live),
    ]
    causes = dict.fromkeys(CAUSES, 0.0)
    before = day.value(day.revised.flow, day.revised.stop)
    for cause, flow, stopped in steps:
        after = day.value(flow, stopped)
        causes[cause] += after - before
        before = after
    return causes


def split_day(
    day: dt.date, tickers: Mapping[str, TickerDay], *, start_cash: float, end_cash: float
) -> ShadowedDay:
    """
    Return a day beside its shadow.

    Parameters
    ----------
    tickers : mapping of ticker to TickerDay
        The whole universe.
    start_cash, end_cash : float
        The quote wallet at the day's and at the next day's reading.

    Examples
    --------
    A coin bought by hand at the open, which the strategy knows nothing of:

    >>> quiet = TickerDay(0.0, 100.0, 110.0, 100.0, ModelDay(), ModelDay(), 100.0, 0.0, 0.0,
    ...                   Flow(), StopOut(), 1.0, 0.001, 0.012)
    >>> found = split_day(dt.date(2024, 1, 1), {"BTC-USD": quiet},
    ...                   start_cash=1000.0, end_cash=899.0)
    >>> found.causes["manual_trades"], found.unexplained
    (9.0, 0.0)
    """
    by_ticker = {ticker: split_ticker(one) for ticker, one in sorted(tickers.items())}
    causes = {cause: sum(one[cause] for one in by_ticker.values()) for cause in CAUSES}
    ones = [tickers[ticker] for ticker in sorted(tickers)]
    own_cash = sum(_own_cash(one) for one in ones)
    stray_cash = end_cash - start_cash - own_cash
    manual_cash = _manual_cash(ones, stray_cash)
    causes["manual_trades"] = manual_cash + sum(one.manual_units * one.end_price for one in ones)
    start = sum(one.start_units * one.start_price for one in ones)
    end = sum(one.end_units * one.end_price for one in ones)
    live = end_cash + end - start_cash - start
    shadow = sum(one.value(one.revised.flow, one.revised.stop) for one in ones) - start
    rest = live - shadow - sum(causes.values())
    # What is left of sums of rounded numbers is no cause of its own.
    noise = 1e-9 * (abs(start_cash) + start + end + abs(end_cash))
    return ShadowedDay(day, live, shadow, causes, rest if abs(rest) > noise else 0.0, by_ticker)


def _own_cash(one: TickerDay) -> float:
    """Return the cash that own orders and stops brought, less what they cost."""
    sold = (one.start_units + one.filled.units) * one.stopped.share
    bought = one.filled.units * one.filled.price + one.filled.fee
    return sold * one.stopped.price * (1.0 - one.stopped.fee_rate) - bought


def _manual_cash(ones: Sequence[TickerDay], stray_cash: float) -> float:
    """Return how much of the cash that own orders do not explain came with manual trades."""
    expected = -sum(one.manual_units * one.open_price for one in ones)
    around = sum(abs(one.manual_units) * one.open_price for one in ones) * _MANUAL_PRICE_RANGE
    return stray_cash if around > 0 and abs(stray_cash - expected) <= around else expected
