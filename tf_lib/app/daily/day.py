"""
The day: the steps between the gate and the finish, one method each, in their order.

The notebook calls them cell by cell; `run_steps` calls them in a row. Both leave the same
record. Each returns what a reader wants to see of it.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from tf_lib.app.daily.bar_doubts import bars_listed
from tf_lib.app.daily.page_facts import told_so_far, told_then
from tf_lib.app.daily.protection_ledger import PROTECTION_FILE
from tf_lib.app.daily.session import Rows, Session
from tf_lib.app.launch.resumed import ACCOUNT_NOW, SEAL, config_of, earlier_attempt, take_over
from tf_lib.core.candles.bars import Bars
from tf_lib.core.decision import Decision, covariance_at
from tf_lib.core.model.account import Account
from tf_lib.core.model.cooldown import is_cooling
from tf_lib.core.model.records import Reason, Side
from tf_lib.core.plan import (
    NO_CANDLES,
    Inputs,
    Plan,
    decision_of,
    lagged,
    orders_of,
    plan_of,
    signals_of,
    zero_targets,
)
from tf_lib.core.signals.columns import Signals, signals
from tf_lib.errors import EXIT_FAILED, HaltRun, TfError
from tf_lib.exchange.coinbase.market import BAR_COLUMNS
from tf_lib.parameters import Config
from tf_lib.store.files import write_whole
from tf_lib.store.run_folder import RunFolder

T = TypeVar("T")
R = TypeVar("R")

FILLS_FILE = "fills.json"
SEALED = ("config.yaml", "inputs/account.json", "inputs/candles.parquet")
"""What a plan is made from: with its sha256 written beside it, no digit of it changes unseen."""

SIGNAL_ROWS_KEPT = 400
"""Days of signals in signals.parquet: what the charts show; replay computes all of them anew."""


def recorded(step: Callable[[Day], R]) -> Callable[[Day], R]:
    """Let a step that fails leave its error in the record before it goes on its way."""

    @functools.wraps(step)
    def guarded(day: Day) -> R:
        try:
            result = step(day)
        except Exception as error:
            day.note_error(step.__name__, error)
            raise
        day.note_problems()
        return result

    return guarded


@dataclass
class Day:
    """
    One day's run, from parameters to protected positions.

    Parameters
    ----------
    day : date
        The UTC day that is decided; its candles end the day before.
    config : Config
    session : Session
        Inputs and hands.
    folder : RunFolder
        Where the record goes.
    writes : bool
        False when a finished run is only looked at again.
    close : callable
        Lets go of connection, ledger and lock, where the process lives on.
    """

    day: dt.date
    config: Config
    session: Session
    folder: RunFolder
    writes: bool = True
    close: Callable[[], None] = lambda: None
    candles: dict[str, pd.DataFrame] = field(default_factory=dict)
    data_report: dict[str, Any] = field(default_factory=dict)
    sold: Rows = field(default_factory=list)
    bought: Rows = field(default_factory=list)
    dust: Rows = field(default_factory=list)
    cleaned: Rows = field(default_factory=list)
    stops: Rows = field(default_factory=list)
    _bars: Bars | None = None
    _signals: Signals | None = None
    _earlier: Path | None = None
    _read: Account | None = None
    _account: Account | None = None
    _after: Account | None = None
    _decision: Decision | None = None
    _plan: Plan | None = None

    # -- what earlier steps left ---------------------------------------------------------

    @property
    def bars(self) -> Bars:
        """The lagged bars of step 3."""
        return _made(self._bars, "load_candles")

    @property
    def signals(self) -> Signals:
        """The signals of step 4."""
        return _made(self._signals, "compute_signals")

    @property
    def account(self) -> Account:
        """The account that the plan was made from."""
        return _made(self._account, "size_positions")

    @property
    def decision(self) -> Decision:
        """The decision of steps 6 and 7."""
        return _made(self._decision, "size_positions")

    @property
    def plan(self) -> Plan:
        """The plan of step 8."""
        return _made(self._plan, "build_orders")

    # -- the steps -----------------------------------------------------------------------

    @recorded
    def configure(self) -> dict[str, Any]:
        """Step 1: write down the merged parameters."""
        if self.writes:
            self.folder.logs.touch_all()
            self.folder.write_yaml("config.yaml", self.config.to_mapping())
            self._resume()
        return self.config.to_mapping()

    def _resume(self) -> None:
        """Take over what the plan of an earlier attempt was made from, if it is carried on here."""
        plan = self.session.frozen_plan() if self.session.plan_attempt() is not None else None
        self._earlier = earlier_attempt(self.folder, plan)
        if self._earlier is not None:
            take_over(self._earlier, self.folder)
            self.config = config_of(self.folder.path)

    @recorded
    def connect(self) -> dict[str, Any]:
        """Step 2: reach the exchange and recover what was left open."""
        found = self.session.connect()
        self._heartbeat("client_ready", **found)
        return found

    @recorded
    def load_candles(self) -> pd.DataFrame:
        """Step 3: daily candles through the day before, kept as the run's input."""
        if self._earlier is not None:
            self.candles = candles_from(self.folder)
            self.data_report = self.folder.read_json("inputs/data.json")
        else:
            self.candles, self.data_report = self.session.candles()
        if self.writes and self._earlier is None:
            self.folder.write_frame("inputs/candles.parquet", _long(self.candles), durable=True)
            self.folder.write_json("inputs/data.json", self.data_report)
            # What was written is what is used, so that a replay cannot see anything else.
            self.candles = candles_from(self.folder)
        self._bars = lagged(self.candles, self.day, self.config)
        return self._quality()

    @recorded
    def compute_signals(self) -> pd.DataFrame:
        """Step 4: every signal column; returns today's row per ticker."""
        self._signals = signals(self.bars, self.config, doubts=self.session.doubts())
        self._write_signals()
        row = self._signals.row(self.day)
        return pd.DataFrame(row, index=pd.Index(self._signals.tickers, name="ticker"))

    def _write_signals(self) -> None:
        if self.writes:
            first = self.signals.days[-1] - pd.Timedelta(days=SIGNAL_ROWS_KEPT - 1)
            table = self.signals.to_frame()
            self.folder.write_frame("signals.parquet", table[table["date"] >= first])

    @recorded
    def measure_risk(self) -> pd.DataFrame:
        """Step 5: daily covariance of the tickers."""
        matrix = covariance_at(self.signals, self.config, as_of=self.day)
        tickers = list(self.signals.tickers)
        frame = pd.DataFrame(matrix, index=pd.Index(tickers, name="ticker"), columns=tickers)
        if self.writes:
            self.folder.write_frame("covariance.parquet", frame)
        return frame

    @recorded
    def size_positions(self) -> Decision:
        """Step 6: read the account, then sleeve budgets, target weights and the cap."""
        account = self._read = self.session.account()
        if self.writes:
            name = "inputs/account.json" if self._earlier is None else ACCOUNT_NOW
            self.folder.write_json(name, account.to_mapping())
            account = account_from(self.folder)
        self._account = account
        inputs = Inputs(self.day, self.config, self.candles, account)
        self._believe(signals_of(inputs, self.bars, before=self.signals))
        self._decision = decision_of(inputs, self.bars, self.signals)
        return self._decision

    def _believe(self, known: Signals) -> None:
        """Take the signals as prices leave them, and write down which bars are not believed."""
        if known is not self._signals:
            self._signals = known
            self._write_signals()
            self.measure_risk()
        listed = bars_listed(known.quarantined, through=self.day)
        self.data_report = {**self.data_report, "quarantined": listed}
        if self.writes:
            self.folder.write_json("inputs/data.json", self.data_report)
            self.session.note_doubts(known)

    @recorded
    def decide_trades(self) -> pd.DataFrame:
        """Step 7: thresholds, cooldown, gates and cash; the table of what is wanted and why."""
        table = self._snapshot(self.account)
        if self.writes:
            for ticker, row in self.decision.to_mapping()["tickers"].items():
                self.folder.logs.write("desired_trades", ticker=ticker, **row)
            self.folder.write_snapshot("post_desired_trades", table)
            for ticker in sorted(self.decision.cooldowns_started):
                self.session.start_cooldown(ticker)
        return table

    @recorded
    def build_orders(self) -> Plan:
        """Step 8: exact sizes and prices; from here on the plan is frozen."""
        inputs = Inputs(self.day, self.config, self.candles, self.account)
        attempt = self.session.plan_attempt()
        self._plan = replace(plan_of(inputs, self.decision), attempt=attempt)
        if self.writes:
            self.folder.seal(SEAL, SEALED)
            write_whole(self.folder.path / "plan.json", self._plan.to_json())
            for build in self._plan.builds:
                self.folder.logs.write(
                    "order_build",
                    product=build.product_id,
                    reason=str(build.reason),
                    order=build.order.to_mapping() if build.order else None,
                    note=build.note,
                )
        self.session.freeze(self._plan.to_mapping(), self._plan.protections, self.account.read_at)
        return self._plan

    def _orders(self, side: Side) -> list[Any]:
        """Return the orders of one side: of the frozen plan when an earlier attempt left one."""
        frozen = self.session.frozen_plan()
        orders = orders_of(frozen) if frozen is not None else self.plan.orders
        return [order for order in orders if order.side is side]

    @recorded
    def sell(self) -> Rows:
        """Step 9: sells, product by product."""
        self.sold = self.session.sell(self._orders(Side.SELL))
        return self.sold

    @recorded
    def buy(self) -> Rows:
        """Step 10: buys from cash that is there, each under its stop before the next."""
        self.bought = self.session.buy(self._orders(Side.BUY))
        return self.bought

    @recorded
    def close_dust(self) -> Rows:
        """Step 11: residuals of positions that are to be gone."""
        if not _made(self._read, "size_positions").halt:
            self.dust = self.session.close_dust(zero_targets(self.decision))
        return self.dust

    @recorded
    def refresh(self) -> pd.DataFrame:
        """Step 12: holdings as they are now."""
        self._after = self.session.refresh()
        if self.writes:
            self.folder.write_json("account_after.json", self._after.to_mapping())
        table = self._snapshot(self._after)
        if self.writes:
            self.folder.write_snapshot("post_refresh_positions", table)
        return table

    @recorded
    def clean_up(self) -> Rows:
        """Step 13: stops that are left of positions that are gone."""
        self.cleaned = self.session.clean_up()
        return self.cleaned

    @recorded
    def protect(self) -> pd.DataFrame:
        """Step 14: every held position under its stop."""
        self.stops = self.session.protect()
        table = self._snapshot(_made(self._after, "refresh"))
        if self.writes:
            self.folder.write_snapshot("final", table)
            self.folder.write_json(FILLS_FILE, self.session.fills())
            protection = self.session.protection(self.stops, self.candles)
            self.folder.write_json(PROTECTION_FILE, protection)
        self.session.complete()
        self._heartbeat("effects_complete")
        return table

    def summary_facts(self) -> dict[str, Any]:
        """Return what the page shows besides the steps: fills, protection, what went wrong."""
        told = told_so_far if self.writes else told_then
        return {
            **told(self.folder, self.day),
            "fills": self.session.fills(),
            "bare_seconds": self.session.bare_seconds(),
            "protection": self.session.protection(self.stops, self.candles),
            "errors": self.folder.logs.read("errors"),
        }

    def note_error(self, step: str, error: Exception) -> None:
        """Write down an error of a step, with the exit code it stands for."""
        if self.writes:
            code = error.exit_code if isinstance(error, TfError) else EXIT_FAILED
            self.folder.logs.write(
                "errors",
                severity="error",
                step=step,
                kind=type(error).__name__,
                message=str(error),
                exit_code=code,
            )

    def note_problems(self) -> None:
        """Write down what the session found odd since the last step."""
        while self.session.problems and self.writes:
            self.folder.logs.write("errors", **self.session.problems.pop(0))

    # -- tables --------------------------------------------------------------------------

    def _heartbeat(self, event: str, **fields: Any) -> None:
        if self.writes:
            self.folder.logs.write("heartbeat", event=event, **fields)

    def _quality(self) -> pd.DataFrame:
        bars = self.bars
        # A ticker that is not listed yet has no candle, and so no rows in the run's input.
        frames = {t: self.candles.get(t, NO_CANDLES) for t in bars.tickers}
        gaps = {t: [g for g in bars.gaps if g.ticker == t] for t in bars.tickers}
        return pd.DataFrame(
            {
                "first_bar": [_first(frames[t]) for t in bars.tickers],
                "last_bar": [_last(frames[t]) for t in bars.tickers],
                "bars": bars.bar_counts,
                "has_yesterday": bars.present[-1],
                "gaps": [len(gaps[t]) for t in bars.tickers],
            },
            index=pd.Index(bars.tickers, name="ticker"),
        )

    def _snapshot(self, account: Account) -> pd.DataFrame:
        """Return one row per ticker: holdings, decision and stop."""
        decision = self.decision.to_mapping()["tickers"]
        stops = {row["product"]: row for row in self.stops}
        rows = {
            ticker: _snapshot_row(ticker, decision[ticker], account, stops.get(ticker), self)
            for ticker in decision
        }
        columns = {name: [row[name] for row in rows.values()] for name in next(iter(rows.values()))}
        return pd.DataFrame(columns, index=pd.Index(list(rows), name="ticker"))


STEPS: tuple[str, ...] = (
    "configure",
    "connect",
    "load_candles",
    "compute_signals",
    "measure_risk",
    "size_positions",
    "decide_trades",
    "build_orders",
    "sell",
    "buy",
    "close_dust",
    "refresh",
    "clean_up",
    "protect",
)


def run_steps(day: Day, *, before: Callable[[str], None] = lambda step: None) -> None:
    """Do all steps in their order; `before` hears each step's name first."""
    for step in STEPS:
        before(step)
        getattr(day, step)()


def _snapshot_row(
    ticker: str,
    decided: Mapping[str, Any],
    account: Account,
    stop: Mapping[str, Any] | None,
    day: Day,
) -> dict[str, Any]:
    holding = account.holding(ticker)
    quote = account.quotes.get(ticker)
    price = float(quote.mid) if quote is not None else decided["close"]
    level = stop.get("resting_level") if stop is not None else account.open_stops.get(ticker)
    return {
        "stop_loss": float(level) if level is not None else decided["chandelier_stop"],
        "cooldown_counter": _cooldown_left(account, ticker, day),
        "event": _event(ticker, decided, day),
        "data_ok": float(decided["data_ok"]),
        "available": format(holding.available, "f"),
        "hold": format(holding.hold, "f"),
        "current_notional": float(holding.total) * price if price is not None else None,
        "target_notional": decided["target_notional"],
        "new_trade_notional": decided["trade_notional"],
        "reason": decided["reason"],
        **{k: v for k, v in decided.items() if k not in _SHOWN_ABOVE},
    }


_SHOWN_ABOVE = ("data_ok", "current_notional", "target_notional", "reason")


def _cooldown_left(account: Account, ticker: str, day: Day) -> int:
    starts = [account.cooldowns.get(ticker), day.decision.cooldowns_started.get(ticker)]
    start = max((one for one in starts if one is not None), default=None)
    length = day.config.execution_and_costs.cooldown_counter_threshold
    if start is None or not is_cooling(start, day.day, days=length):
        return 0
    return length - (day.day - start).days


def _event(ticker: str, decided: Mapping[str, Any], day: Day) -> str:
    done = [r for r in (*day.sold, *day.bought, *day.dust) if r["product_id"] == ticker]
    if done:
        return "; ".join(f"{r['leg']} {r['status']}" for r in done)
    if decided["reason"] == Reason.STOP_BREACHED:
        return "cooldown started"
    return ""


def _made(value: T | None, step: str) -> T:
    if value is None:
        raise HaltRun(f"step {step} has not run; the steps go in the order of the notebook")
    return value


def _long(candles: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    tickers = sorted(candles)
    frames = [candles[ticker] for ticker in tickers]
    counts = [len(frame) for frame in frames]
    columns = {
        "ticker": np.repeat(np.array(tickers, dtype=object), counts),
        "date": frames[0].index.append([frame.index for frame in frames[1:]]),
    }
    for name in BAR_COLUMNS:
        columns[name] = np.concatenate([frame[name].to_numpy() for frame in frames])
    return pd.DataFrame(columns)


def candles_from(folder: RunFolder) -> dict[str, pd.DataFrame]:
    """Read a run's candles as they went into its decision."""
    table = folder.read_frame("inputs/candles.parquet")
    codes, tickers = pd.factorize(table["ticker"], sort=True)
    order = np.argsort(codes, kind="stable")
    days = pd.DatetimeIndex(table["date"].take(order), name="date")
    values = table[list(BAR_COLUMNS)].to_numpy()[order]
    ends = np.searchsorted(codes[order], range(len(tickers) + 1))
    return {
        str(ticker): pd.DataFrame(values[begin:end], days[begin:end], list(BAR_COLUMNS))
        for ticker, begin, end in zip(tickers, ends, ends[1:], strict=False)
    }


def account_from(folder: RunFolder) -> Account:
    """Read a run's account as it went into its decision."""
    record = folder.read_json("inputs/account.json")
    try:
        return Account.from_mapping(record)
    except (KeyError, ValueError, ArithmeticError, TfError) as error:
        raise HaltRun(f"{folder.path}/inputs/account.json cannot be read: {error!r}") from error


def _first(frame: pd.DataFrame) -> str:
    return "" if frame.empty else f"{frame.index[0]:%Y-%m-%d}"


def _last(frame: pd.DataFrame) -> str:
    return "" if frame.empty else f"{frame.index[-1]:%Y-%m-%d}"
