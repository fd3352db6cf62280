"""
Live equals backtest: the daily run, day by day through the simulated exchange, and its backtest.

The same candles, the same products table, the same parameters. Trades are compared per day,
ticker and side, as the exchange's own file has them; where one is not equal it must be less than
one lot off, which is what a number a hair's breadth from a whole lot can do.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.app.profile import REAL_UNIVERSE, Profile, real_parameters, write_parameters
from tests.oracle.exchange_state import ExchangeState
from tests.research.build import intraday_text, wild_candles
from tf_lib.core.orders.lots_and_ticks import Spec, price_of
from tf_lib.parameters import load_config
from tf_lib.research.backtest.run_backtest import BacktestResult, backtest
from tf_lib.store.candle_csv import products_of, read_candle_folder, read_intraday

Key = tuple[dt.date, str, str]
BUSY = {
    "execution_and_costs": {
        "notional_threshold_pct": 0.02,
        "cooldown_counter_threshold": 3,
        "transaction_cost_est": 0.0005,
        "maker_fee": 0.005,
        "taker_fee": 0.009,
    },
    "risk_and_sizing": {"atr_multiplier": 1.2, "cash_buffer_percentage": 0.0},
    "stops": {"limit_buffer_bps": 50, "limit_buffer_atr": 0.2, "min_raise_bps": 10},
}
TRAIL = {
    **BUSY,
    "risk_and_sizing": {
        "stop_loss_strategy": "PercentageTrail",
        "trail_percentage": 0.06,
        "cash_buffer_percentage": 0.0,
    },
}
SHORTER = {
    "BTC-USD": "ONE_HOUR",
    "ETH-USD": "ONE_HOUR",
    "SOL-USD": "FIFTEEN_MINUTE",
    "ADA-USD": "SIX_HOUR",
    "AVAX-USD": "ONE_HOUR",
    "DOGE-USD": "FIVE_MINUTE",
}
KEEP = {
    **BUSY,
    "execution_and_costs": {**BUSY["execution_and_costs"], "min_trade_notional_abs": 2},
    "stops": {"level_above_market": "keep", "ratchet": False},
    "run": {"initial_capital": 300},
}


@dataclass(frozen=True)
class Lived:
    """The same days twice: what the exchange held after each, and the backtest."""

    ends: Mapping[dt.date, ExchangeState]
    result: BacktestResult

    @property
    def last(self) -> ExchangeState:
        return self.ends[max(self.ends)]

    def opens(self, day: dt.date) -> dict[str, float]:
        row = self.result.history.bars.row_of(day)
        prices = self.result.history.opens[row]
        return dict(zip(self.result.tickers, prices, strict=True))


def live(profile: Profile, first: str, last: str) -> Lived:
    """Run every day through the exchange, then the backtest of the span."""
    day, ends = dt.date.fromisoformat(first), {}
    while day <= dt.date.fromisoformat(last):
        code, said = profile.run(day)
        # A wanted entry of a coin whose tick is too coarse to believe its price is told with 1.
        assert code == 0 or (code == 1 and "without a believable price" in said), said
        ends[day] = profile.exchange()
        day += dt.timedelta(days=1)
    config = load_config(profile.config)
    folder = Path(config.exchange.candles)
    result = backtest(
        read_candle_folder(folder, config.universe.sorted_tickers),
        config,
        products=products_of(config, folder),
        intraday=read_intraday(folder, config.universe.sorted_tickers),
        start=dt.date.fromisoformat(first),
        end=dt.date.fromisoformat(last),
    )
    assert str(result.days[0].date()) == first
    return Lived(ends, result)


def write_candles(folder: Path, candles: Mapping[str, pd.DataFrame]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for ticker, frame in candles.items():
        plain = frame.reset_index()
        plain["date"] = plain["date"].dt.strftime("%Y-%m-%d")
        plain.to_csv(folder / f"{ticker}.csv", index=False)
    return folder


def wild(
    folder: Path, seed: int, sections: Mapping[str, Any], shorter: Mapping[str, str] | None = None
) -> Profile:
    """Write a wild market, with shorter candles of the tickers named with a length."""
    made = wild_candles(seed)
    candles = write_candles(folder / "candles", made)
    for ticker, granularity in (shorter or {}).items():
        text = intraday_text(made[ticker].loc["2020-11-01":"2021-01-31"], granularity, seed=seed)
        (candles / f"{ticker}.{granularity}.csv").write_text(text, encoding="utf-8")
    cash = str(sections.get("run", {}).get("initial_capital", 15000))
    exchange = {"candles": str(candles), "starting_cash": cash}
    path = write_parameters(
        folder / "wild.yaml", universe=REAL_UNIVERSE, exchange=exchange, **sections
    )
    return Profile(path, folder / "runs")


@pytest.fixture(
    scope="module",
    params=[
        "sixty wild days",
        "six wild weeks along shorter candles",
        pytest.param("sixty wild days along shorter candles", marks=pytest.mark.slow),
        pytest.param("sixty days under a percentage trail", marks=pytest.mark.slow),
        pytest.param("a wild year", marks=pytest.mark.slow),
        pytest.param("a small account", marks=pytest.mark.slow),
        pytest.param("the real year to March 2024", marks=pytest.mark.slow),
        pytest.param("the real year of 2022 and 2023", marks=pytest.mark.slow),
    ],
)
def lived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """Each span once for all tests here."""
    folder = tmp_path_factory.mktemp("parity")
    if request.param == "sixty wild days":
        return live(wild(folder, 7, BUSY), "2020-11-10", "2021-01-08")
    if request.param == "six wild weeks along shorter candles":
        return live(wild(folder, 7, BUSY, SHORTER), "2020-11-10", "2020-12-21")
    if request.param == "sixty wild days along shorter candles":
        return live(wild(folder, 7, BUSY, SHORTER), "2020-11-10", "2021-01-08")
    if request.param == "sixty days under a percentage trail":
        return live(wild(folder, 7, TRAIL), "2020-11-10", "2021-01-08")
    if request.param == "a wild year":
        return live(wild(folder, 3, BUSY), "2020-11-01", "2021-10-31")
    if request.param == "a small account":
        return live(wild(folder, 6, KEEP), "2021-01-01", "2021-09-30")
    profile = Profile(real_parameters(folder / "real.yaml"), folder / "runs")
    if request.param == "the real year to March 2024":
        return live(profile, "2023-03-10", "2024-03-10")
    return live(profile, "2022-07-01", "2023-06-30")


def exchange_trades(lived: Lived) -> dict[Key, tuple[Decimal, Decimal, Decimal]]:
    """Return size, value and fee per day, product and side, from the exchange's own file."""
    found: dict[Key, tuple[Decimal, Decimal, Decimal]] = {}
    for fill in lived.last.fills:
        key = (fill.at.date(), fill.product, fill.side)
        size, value, fee = found.get(key, (Decimal(0), Decimal(0), Decimal(0)))
        found[key] = (size + fill.size, value + fill.value, fee + fill.fee)
    # The exchange stands at 00:01 of the last day; what its path brings later only we have lived.
    return {key: trade for key, trade in found.items() if key[0] < max(lived.ends)}


def backtest_trades(lived: Lived) -> dict[Key, tuple[Decimal, float, float]]:
    """Return the same of the backtest, sizes as exact decimals."""
    found: dict[Key, tuple[Decimal, float, float]] = {}
    result = lived.result
    for fill in result.tape.fills:
        steps = result.state.specs[fill["ticker"]]
        lot = Decimal(int(steps["lot_numerator"])) / Decimal(int(steps["lot_denominator"]))
        day = result.history.day(int(fill["row"]))
        key = (day, result.tickers[fill["ticker"]], "BUY" if fill["lots"] > 0 else "SELL")
        size, value, fee = found.get(key, (Decimal(0), 0.0, 0.0))
        size += abs(int(fill["lots"])) * lot
        found[key] = (size, value + fill["notional"], fee + fill["fee"])
    return {key: trade for key, trade in found.items() if key[0] < max(lived.ends)}


def lot_of(lived: Lived, ticker: str) -> Decimal:
    steps = lived.result.state.specs[lived.result.tickers.index(ticker)]
    return Decimal(int(steps["lot_numerator"])) / Decimal(int(steps["lot_denominator"]))


def test_the_span_is_worth_comparing(lived: Lived) -> None:
    """It enters, adds, trims, leaves, is stopped out, jumps over a stop, and doubts a bar."""
    assert lived.result.metrics["trades"] > 40
    assert lived.result.metrics["stops_hit"] > 8
    assert lived.result.history.known.quarantined


def test_the_trades_are_the_same(lived: Lived) -> None:
    """Every day, ticker and side; where a size flips, by less than a lot at its threshold."""
    there, here = exchange_trades(lived), backtest_trades(lived)
    flipped = {}
    assert sorted(there) == sorted(here)
    for key, (size, value, fee) in there.items():
        ours = here[key]
        if size != ours[0]:
            flipped[key] = (ours[0] - size) / lot_of(lived, key[1])
        else:
            assert float(value) == pytest.approx(ours[1], rel=1e-12)
            assert float(fee) == pytest.approx(ours[2], rel=1e-12)

    assert all(abs(lots) <= 1 for lots in flipped.values()), flipped
    assert len(flipped) <= 0.02 * len(there), flipped


def test_equity_is_the_same_to_the_cent_after_every_run(lived: Lived) -> None:
    """Cash and holdings at the open's price, as the exchange has them and as the loop has."""
    days = (day.date() for day in lived.result.days)
    after = dict(zip(days, lived.result.tape.days["equity_after"], strict=True))
    for day, end in lived.ends.items():
        opens = lived.opens(day)
        units = {ticker: float(end.held(ticker)) for ticker in end.held_products}
        worth = float(end.cash) + sum(held * opens[ticker] for ticker, held in units.items())
        assert worth == pytest.approx(after[day], abs=0.01), day


def test_the_same_stops_rest_after_every_run(lived: Lived) -> None:
    """The highest level per ticker."""
    for day, end in lived.ends.items():
        row = lived.result.stops.loc[pd.Timestamp(day, tz="UTC")].dropna().to_dict()
        levels: dict[str, float] = {}
        for order in end.orders:
            if order.protects and order.stop is not None:
                levels[order.product] = max(float(order.stop), levels.get(order.product, 0.0))
        assert levels == row, day


def test_both_stand_where_the_next_morning_begins(lived: Lived) -> None:
    """The same stops, of the same sizes, at the same levels and limits."""
    result = lived.result
    assert lived.last.now.date() == result.days[-1].date()
    # The loop has lived the last day to its close; stops that were met on its path are gone.
    met = {
        fill["ticker"]
        for fill in result.tape.fills
        if result.history.day(int(fill["row"])) == result.days[-1].date()
    }
    for i, ticker in enumerate(result.tickers):
        if i in met:
            continue
        steps = Spec(*(value.item() for value in result.state.specs[i]))
        slots = result.state.slots[i]
        ours = sorted(
            (int(s["lots"]), price_of(int(s["level"]), steps), price_of(int(s["limit"]), steps))
            for s in slots
            if s["lots"] > 0
        )
        theirs = sorted(
            (int(o.remaining / lot_of(lived, ticker)), float(o.stop or 0), float(o.limit or 0))
            for o in lived.last.orders
            if o.protects and o.product == ticker
        )
        assert ours == theirs
