"""
Planted leaks: each lets something know the future, and ``tf lookahead`` must find it by name.

They are patches of one process, as those of `tests.proofs.planted`. What the compiled day loop does
is leaked around it: the loop runs day by day, and what a day did is changed by the bars after it.
So nothing is compiled anew, and a leak takes seconds. Under the last bar a leak does nothing, as a
mistake would that looks whether there is a later one.

``python -m tests.proofs.leaks NAME FOLDER`` plants one and calls ``tf lookahead`` on the market in
the folder, made by `write_market`.
"""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml

from tests.core.build import STRATEGY, random_candles
from tests.proofs.fork_server import PROJECT, call
from tests.proofs.planted import put, wrap
from tests.proofs.result import Met
from tf_lib.core.candles.quarantine import NEVER as NEVER_RELEASED
from tf_lib.research.backtest.loop_records import CLOSE, HELD, HIGH, LOW, NEVER, OPEN, STOP

CLEAN = "nothing"
N_DAYS, WARM_UP = 120, 60
TICKERS = ("AAA-USD", "BBB-USD", "CCC-USD")


@dataclass(frozen=True)
class Leak:
    """A planted leak: how it is planted, and under which of these names it must be found."""

    plant: Callable[[], None]
    found_as: tuple[str, ...]
    what: str


LEAKS: dict[str, Leak] = {}


def leak(*targets: str, found_as: str) -> Callable[[Callable[..., Any]], None]:
    """Return what makes a function a leak, called in the place of these with what was there."""

    def made(fault: Callable[..., Any]) -> None:
        def planted() -> None:
            for target in targets:
                wrap(f"tf_lib.{target}", fault)

        _register(fault, planted, found_as)

    return made


def _register(fault: Callable[..., Any], plant: Callable[[], None], found_as: str) -> None:
    what = (fault.__doc__ or fault.__name__).strip().split("\n")[0]
    LEAKS[fault.__name__] = Leak(plant, tuple(found_as.split(", ")), what)


# -- before the decision -----------------------------------------------------------------------


@leak("store.candle_csv.parse_candles", found_as="bar")
def gap_read_from_the_next_bar(parse: Any, text: str, *, source: str) -> pd.DataFrame:
    """Fill a missing day with the bar after it when a file is read."""
    frame: pd.DataFrame = parse(text, source=source).asfreq("D").bfill()
    return frame


@leak("store.candle_csv.parse_candles", found_as="high")
def high_bounded_by_the_whole_file(parse: Any, text: str, *, source: str) -> pd.DataFrame:
    """Bound each high by what is usual in the whole file."""
    frame: pd.DataFrame = parse(text, source=source)
    usual = (frame["high"] / frame["close"]).quantile(0.9)
    bound = np.maximum(frame[["open", "close"]].max(axis=1), frame["close"] * float(usual))
    return frame.assign(high=np.minimum(frame["high"], bound))


@leak("core.candles.bars._assemble", found_as="simple_return")
def gap_filled_between_both_sides(
    assemble: Any, tickers: Any, scanned: Any, grids: Any, present: Any, *more: Any
) -> Any:
    """Draw a line through a hole instead of standing still."""
    for j in range(present.shape[0]):
        for field in range(4):
            line = pd.Series(np.where(present[j], grids[field, j], np.nan))
            grids[field, j] = line.interpolate(limit_area="inside").fillna(
                pd.Series(grids[field, j])
            )
    return assemble(tickers, scanned, grids, present, *more)


@leak("core.signals.grids.fill_normal_rank", found_as="ma_rank")
def signal_window_centred(fill: Any, rows: Any, values: Any, window: int, out: Any) -> None:
    """Smooth the ribbon rank over the days around each day."""
    fill(rows, values, window, out)
    out[:] = pd.DataFrame(out.T).rolling(5, center=True, min_periods=1).mean().to_numpy().T


@leak("core.signals.grids.fill_rank", found_as="donchian_rank")
def rank_within_the_whole_sample(
    _: Any, rows: Any, values: Any, window: int, least: int, out: Any
) -> None:
    """Rank the channel position within all days instead of those before."""
    out[:] = (pd.DataFrame(values.T).rank(pct=True) - 0.5).to_numpy().T


@leak("core.signals.components.Components.volatility", found_as="annualized_volatility")
def volatility_of_the_day_after(volatility: Any, parts: Any) -> Any:
    """Take the volatility that the day after will have."""
    return _ahead(volatility(parts))


@leak("core.signals.columns._known_returns", found_as="covariance")
def covariance_knows_today(returns: Any, parts: Any) -> Any:
    """Let today's return into the covariance."""
    return _ahead(returns(parts))


@leak("core.candles.quarantine._without_quarantined", found_as="data_ok, close")
def quarantine_lifted_before_it_is_confirmed(
    without: Any, bars: Any, why: Any, released: Any
) -> Any:
    """Believe from the start what only later bars confirm."""
    return without(bars, np.where(released != NEVER_RELEASED, 0, why), released)


@leak("core.signals.columns._blended", found_as="final_signal")
def universe_by_future_volume(blended: Any, parts: Any) -> Any:
    """Leave out the ticker that is traded least over all days."""
    columns = dict(blended(parts))
    least = int(np.nan_to_num(parts.bars.volume).sum(axis=0).argmin())
    for name in ("final_signal", "vol_adjusted_signal"):
        columns[name] = columns[name].copy()
        columns[name][least] *= 0.0
    return columns


@leak("research.backtest.history._what_is_known", found_as="target_weight")
def universe_of_survivors(what_is_known: Any, known: Any) -> Any:
    """Give no signal to a ticker whose history will end before the others'."""
    grid = what_is_known(known)
    bars_left = known.data_ok[::-1].argmax(axis=0)
    grid[:, 0, bars_left > 2] *= 0.0
    return grid


@leak("research.backtest.history._what_is_known", found_as="target_weight")
def signal_of_the_day_after(what_is_known: Any, known: Any) -> Any:
    """Size each day by the signals of the next."""
    grid = what_is_known(known)
    grid[:-1] = grid[1:]
    return grid


@leak("research.backtest.history._own_bars", found_as="equity_before")
def plans_at_todays_close(own_bars: Any, bars: Any) -> Any:
    """Plan and trade at a close that is not there yet."""
    grid = own_bars(bars)
    grid[:, OPEN] = grid[:, CLOSE]
    return grid


@leak("research.backtest.history.History.rows", found_as="first_day")
def begins_on_a_good_day(rows: Any, history: Any, start: Any, end: Any, **more: Any) -> Any:
    """Begin on the cheapest of the first days."""
    first, stop = rows(history, start, end, **more)
    return min(first + int(history.closes[first : first + 20, 2].argmin()), stop - 1), stop


def _ahead(grid: Any) -> Any:
    """Return [ticker, row] a row early; the last stays as it is."""
    moved = grid.copy()
    moved[:, :-1] = grid[:, 1:]
    return moved


# -- behind the decision -----------------------------------------------------------------------


class Done(NamedTuple):
    """A day that the loop has run: its row and line, what it read and what it wrote."""

    row: int
    line: int
    market: Any
    rules: Any
    state: Any
    tape: Any

    @property
    def next_open(self) -> Any:
        """The opens of the day after, by ticker."""
        return self.market.bars[self.row + 1, OPEN]

    @property
    def fills(self) -> Iterator[Any]:
        """The day's fills, which may be changed."""
        written = self.tape.fills[: int(self.tape.n_fills[0])]
        return (written[k] for k in np.flatnonzero(written["row"] == self.row))

    def units(self, i: int, lots: int) -> float:
        spec = self.state.specs[i]
        return float(lots * spec["lot_numerator"] / spec["lot_denominator"])

    def ticks(self, i: int, price: float) -> int:
        spec = self.state.specs[i]
        return int(price * spec["tick_denominator"] / spec["tick_numerator"])

    def reprice(self, fill: Any, price: float) -> None:
        """Let a fill have had another price, for the same fee."""
        i = int(fill["ticker"])
        units = self.units(i, int(fill["lots"]))
        paid_less = units * (float(fill["price"]) - price)
        fill["price"], fill["notional"] = price, abs(units) * price
        self.pay(i, paid_less)

    def pay(self, i: int, amount: float) -> None:
        self.state.cash[0] += amount
        self.state.holdings[i]["flow"] += amount
        self.mark(self.market.bars[self.row, CLOSE])

    def mark(self, prices: Any) -> None:
        """Value what is held at some prices."""
        held = [self.units(i, int(one["lots"])) for i, one in enumerate(self.state.holdings)]
        worth = np.where(np.array(held) > 0, np.array(held) * prices, 0.0)
        self.tape.cells[self.line, HELD] = worth
        day = self.tape.days[self.line : self.line + 1]
        day["cash"] = self.state.cash[0]
        day["equity"] = self.state.cash[0] + worth.sum()


def behind(found_as: str) -> Callable[[Callable[[Done], None]], None]:
    """Return what makes a function a leak that changes each day once the loop has run it."""

    def made(change: Callable[[Done], None]) -> None:
        def day_by_day(
            run_days: Any, first: int, end: int, offset: int, market: Any, *its: Any
        ) -> int:
            for row in range(first, end):
                if run_days(row, row + 1, offset, market, *its) <= row:
                    return row
                if row + 1 < len(market.bars):
                    change(Done(row, row - offset, market, *its))
            return end

        _register(
            change,
            lambda: wrap("tf_lib.research.backtest.run_backtest.run_days", day_by_day),
            found_as,
        )

    return made


@behind("fill_price")
def entry_at_the_better_of_two_opens(day: Done) -> None:
    """Fill a purchase at the next open where that is lower."""
    for fill in day.fills:
        better = day.next_open[fill["ticker"]]
        if fill["lots"] > 0 and better < fill["price"]:
            day.reprice(fill, better)


@behind("fill_price")
def stop_filled_at_the_next_open(day: Done) -> None:
    """Fill a stop at the next open where that is higher."""
    for fill in day.fills:
        better = day.next_open[fill["ticker"]]
        if fill["reason"] >= STOP and better > fill["price"]:
            day.reprice(fill, better)


@behind("fill_price")
def slippage_only_when_it_does_not_matter(day: Done) -> None:
    """Buy at the price itself where it will rise."""
    for fill in day.fills:
        if fill["lots"] > 0 and day.next_open[fill["ticker"]] > fill["price"]:
            day.reprice(fill, fill["price"] / (1.0 + day.rules.handling.costs.slippage))


@behind("fill_fee")
def fee_waived_before_a_fall(day: Done) -> None:
    """Charge no fee where the next open lies below the fill."""
    for fill in day.fills:
        if day.next_open[fill["ticker"]] < fill["price"]:
            day.pay(int(fill["ticker"]), float(fill["fee"]))
            fill["fee"] = 0.0


@behind("closing_equity")
def closing_equity_from_the_next_open(day: Done) -> None:
    """Value what is held at the next day's open."""
    day.mark(np.where(np.isfinite(day.next_open), day.next_open, 0.0))


@behind("cash")
def cash_knows_the_next_gap(day: Done) -> None:
    """Let cash earn what the gap to the next open brings."""
    gap = day.next_open[0] / day.market.bars[day.row, CLOSE, 0] - 1.0
    day.state.cash[0] *= 1.0 + max(gap, 0.0)
    day.mark(day.market.bars[day.row, CLOSE])


@behind("stop_level")
def stop_raised_towards_the_next_open(day: Done) -> None:
    """Rest stops a percent below the next open where that is higher."""
    for i in range(len(day.state.holdings)):
        for slot in day.state.slots[i]:
            if slot["lots"] > 0 and not slot["is_triggered"]:
                slot["level"] = max(slot["level"], day.ticks(i, 0.99 * day.next_open[i]))


@behind("trail_level")
def trail_remembers_the_next_high(day: Done) -> None:
    """Remember a level that hangs from the next day's high."""
    for i, holding in enumerate(day.state.holdings):
        if holding["lots"] > 0:
            level = day.ticks(i, 0.95 * day.market.bars[day.row + 1, HIGH, i])
            holding["level"] = max(holding["level"], level)


@behind("cooldown_since")
def cooldown_ends_when_the_price_comes_back(day: Done) -> None:
    """Start no cooldown after a stop where the next open is higher."""
    for fill in day.fills:
        if fill["reason"] >= STOP and day.next_open[fill["ticker"]] > fill["price"]:
            day.state.holdings[fill["ticker"]]["cooldown"] = NEVER


@behind("fill")
def exit_before_the_gap(day: Done) -> None:
    """Sell at the close what will open five per mille lower."""
    for i, holding in enumerate(day.state.holdings):
        close = float(day.market.bars[day.row, CLOSE, i])
        if holding["lots"] > 0 and day.next_open[i] < 0.995 * close:
            lots, at = int(holding["lots"]), int(day.tape.n_fills[0])
            proceeds = day.units(i, lots) * close
            day.tape.fills[at] = (day.row, i, STOP, -lots, close, proceeds, 0.0)
            day.tape.n_fills[0] = at + 1
            holding["lots"], day.state.slots[i]["lots"] = 0, 0
            day.pay(i, proceeds)


@leak("research.backtest.run_backtest.run_days", found_as="fill")
def stop_fires_only_if_the_next_open_is_below_it(
    run_days: Any, first: int, end: int, offset: int, market: Any, rules: Any, state: Any, tape: Any
) -> int:
    """Let a stop fire only where the next day's open is below it, too."""
    for row in range(first, end):
        kept = [array.copy() for array in (state.cash, state.holdings, state.slots, tape.n_fills)]
        if run_days(row, row + 1, offset, market, rules, state, tape) <= row:
            return row
        if row + 1 == len(market.bars):
            continue
        day = Done(row, row - offset, market, rules, state, tape)
        spared = [f["ticker"] for f in day.fills if _was_a_dip(day, f)]
        if not spared:
            continue
        for array, before in zip(
            (state.cash, state.holdings, state.slots, tape.n_fills), kept, strict=True
        ):
            array[...] = before
        calm = market.bars.copy()
        for field in (HIGH, LOW, CLOSE):
            calm[row, field, spared] = calm[row, OPEN, spared]
        run_days(row, row + 1, offset, market._replace(bars=calm), rules, state, tape)
        day.mark(market.bars[row, CLOSE])
    return end


def _was_a_dip(day: Done, fill: Any) -> bool:
    return bool(fill["reason"] == STOP and day.next_open[fill["ticker"]] > fill["price"])


# -- in statistics -----------------------------------------------------------------------------


@leak("research.backtest.run_backtest.daily_returns", found_as="equity.csv return")
def returns_less_their_mean(returns: Any, equity: Any, initial: float) -> Any:
    """Take the mean of all days out of each day's return."""
    found = returns(equity, initial)
    return found - found.mean()


@leak(
    "research.backtest.statistics.drawdowns",
    "research.lookahead.record_fields.drawdowns",
    found_as="drawdown",
)
def drawdown_below_the_highest_of_all(_: Any, equity: Any, initial: float) -> Any:
    """Measure each day against the peak of the whole span."""
    return equity / max(equity.max(), initial) - 1.0


@leak("research.backtest.benchmarks.equal_weight_equity", found_as="equal_weight growth")
def reference_valued_a_day_late(growth: Any, history: Any, span: tuple[int, int]) -> Any:
    """Value the equal-weight reference at the next day's close."""
    first, stop = span
    longer = growth(history, (first, min(stop + 1, history.n_days)))
    return longer[-(stop - first) :]


def profit_at_the_next_open() -> None:
    """Count as a ticker's profit what is held at the next day's open."""
    from tf_lib.research.backtest.run_backtest import BacktestResult

    honest: Any = vars(BacktestResult)["by_ticker"].func

    def leaky(result: Any) -> pd.DataFrame:
        table: pd.DataFrame = honest(result)
        row = result.span[1]
        if row == result.history.n_days:
            return table
        moved = result.history.opens[row] / result.history.closes[row - 1] - 1.0
        held = result.tape.cells[-1, HELD]
        return table.assign(profit=table["profit"] + np.nan_to_num(moved) * held)

    made = functools.cached_property(leaky)
    made.__set_name__(BacktestResult, "by_ticker")
    put("tf_lib.research.backtest.run_backtest.BacktestResult.by_ticker", made)


_register(profit_at_the_next_open, profit_at_the_next_open, "statistic by ticker: profit")


# -- where it is looked for --------------------------------------------------------------------


def write_market(folder: Path) -> None:
    """
    Write parameters and candles on which each leak has something to leak.

    Windows are short, trades many; one ticker has holes and a jump that is confirmed later, one
    ends early, and which of them is traded most changes.
    """
    candles = {name: random_candles(seed, N_DAYS) for seed, name in enumerate(TICKERS, start=21)}
    candles["BBB-USD"].iloc[90:] *= 4.0
    candles["BBB-USD"] = candles["BBB-USD"].drop(candles["BBB-USD"].index[[40, 41, 75]])
    candles["CCC-USD"] = candles["CCC-USD"].iloc[:-8]
    grows = np.linspace(1.0, 9.0, N_DAYS)
    for name, scale in zip(TICKERS, (grows, grows[::-1], grows * 0 + 5.0), strict=True):
        its = candles[name]
        its["volume"] = scale[: len(its)] * 1e6
        rows = its.set_axis(pd.DatetimeIndex(its.index).strftime("%Y-%m-%d"))
        rows.to_csv(folder / f"{name}.csv", index_label="date")
    (folder / "leaks.yaml").write_text(yaml.safe_dump(_parameters()), encoding="utf-8")


def _parameters() -> dict[str, Any]:
    return {
        "extends": str(STRATEGY),
        "run": {"warmup_days": WARM_UP},
        "universe": {
            "tickers": list(TICKERS),
            "sleeves": {"All": {"weight": 1.0, "tickers": list(TICKERS)}},
        },
        "signals": {
            "moving_average": {"fast_mavg": 4, "slow_mavg": 16, "mavg_z_score_window": 20},
            "donchian": {
                "entry_rolling_donchian_window": 12,
                "exit_rolling_donchian_window": 6,
                "rank_window": 30,
            },
            "filters": {
                "rolling_r2": {"rolling_r2_window": 10, "lower_r_sqr_limit": 0.05},
                "vol_of_vol": {
                    "log_std_window": 6,
                    "coef_of_variation_window": 8,
                    "vol_of_vol_z_score_window": 20,
                },
            },
        },
        "risk_and_sizing": {
            "volatility_window": 12,
            "rolling_cov_window": 12,
            "rolling_atr_window": 8,
            "highest_high_window": 10,
            "atr_multiplier": 1.0,
            # No cap: it would give the same weight to signals that differ.
            "cap_low": 1.0,
            "cap_high": 1.0,
        },
        "execution_and_costs": {
            "notional_threshold_pct": 0.01,
            "cooldown_counter_threshold": 2,
        },
    }


def look(name: str, folder: Path) -> Met[str]:
    """Call ``tf lookahead`` on a market with one leak planted, in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.proofs.leaks", name, str(folder)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    code, said = ended.returncode, ended.stdout
    if name == CLEAN:
        return Met(name, code, () if code == 0 else (f"exit {code}: {said}",))
    begins = tuple(f"{column}: first on" for column in LEAKS[name].found_as)
    by = next((line.strip() for line in said.splitlines() if line.strip().startswith(begins)), "")
    # An error would be no proof: 1 is the exit code of something found.
    is_caught = bool(by) and code == 1 and "LOOK-AHEAD FOUND" in said
    missed = () if is_caught else (f"exit {code}: {said} {ended.stderr}",)
    return Met(name, code, missed, caught=by if is_caught else "")


def main() -> int:
    name, folder = sys.argv[1], Path(sys.argv[2])
    if name != CLEAN:
        LEAKS[name].plant()
    config = folder / "leaks.yaml"
    code, said = call(["lookahead", "--config", str(config), "--candles", str(folder)])
    print(said)
    return code


if __name__ == "__main__":
    sys.exit(main())
