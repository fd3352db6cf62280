"""
The day: the steps between the gate and the finish, one method each, in their order.

The notebook calls them cell by cell; `run_steps` calls them in a row. Both leave the same
record. Each returns what a reader wants to see of it.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from tf_lib.app.daily.bar_doubts import bars_listed
from tf_lib.app.daily.custom_inputs import custom_files, halting, keep_custom_files
from tf_lib.app.daily.day_tables import Snapshot, quality_table
from tf_lib.app.daily.session import Session
from tf_lib.app.record.page_facts import told_so_far, told_then
from tf_lib.app.record.results import FILLS_FILE, PROTECTION_FILE
from tf_lib.app.record.resumption import (
    ACCOUNT,
    ACCOUNT_NOW,
    CONFIG,
    DATA,
    SEAL,
    SEALED,
    earlier_attempt,
    take_over,
)
from tf_lib.app.record.run_inputs import account_from, candles_from, config_of, write_candles
from tf_lib.core.candles.bars import Bars
from tf_lib.core.decision import Decision, covariance_at
from tf_lib.core.model.account import Account
from tf_lib.core.model.records import Side
from tf_lib.core.model.run_rows import OrderRow, StopRow
from tf_lib.core.plan import (
    Inputs,
    Plan,
    decision_of,
    lagged,
    orders_of,
    plan_of,
    signals_of,
    zero_targets,
)
from tf_lib.core.signals.columns import Signals, check_custom, signals
from tf_lib.errors import EXIT_FAILED, HaltRun, TfError
from tf_lib.parameters import Config
from tf_lib.store.files import write_whole
from tf_lib.store.run_folder import RunFolder

T = TypeVar("T")
R = TypeVar("R")

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
        Inputs and executor.
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
    sold: list[OrderRow] = field(default_factory=list)
    bought: list[OrderRow] = field(default_factory=list)
    dust: list[OrderRow] = field(default_factory=list)
    stops: list[StopRow] = field(default_factory=list)
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
            self.folder.write_yaml(CONFIG, self.config.to_mapping())
            self._resume()
            keep_custom_files(self.folder, self.config)
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
            self.data_report = self.folder.read_json(DATA)
        else:
            self.candles, self.data_report = self.session.candles()
        if self.writes and self._earlier is None:
            write_candles(self.folder, self.candles)
            self.folder.write_json(DATA, self.data_report)
            # What was written is what is used, so that a replay cannot see anything else.
            self.candles = candles_from(self.folder)
        self._bars = lagged(self.candles, self.day, self.config)
        return quality_table(self.bars, self.candles)

    @recorded
    def compute_signals(self) -> pd.DataFrame:
        """Step 4: every signal column; returns today's row per ticker."""
        with halting():
            self._signals = signals(self.bars, self.config, doubts=self.session.doubts())
            check_custom(self._signals, self.config, slice(-1, None))
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
            name = ACCOUNT if self._earlier is None else ACCOUNT_NOW
            self.folder.write_json(name, account.to_mapping())
            account = account_from(self.folder)
        self._account = account
        inputs = Inputs(self.day, self.config, self.candles, account)
        with halting():
            known = signals_of(inputs, self.bars, before=self.signals)
        self._believe(known)
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
            self.folder.write_json(DATA, self.data_report)
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
            self.folder.seal(SEAL, (*SEALED, *custom_files(self.config)))
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
    def sell(self) -> list[OrderRow]:
        """Step 9: sells, product by product."""
        self.sold = self.session.sell(self._orders(Side.SELL))
        return self.sold

    @recorded
    def buy(self) -> list[OrderRow]:
        """Step 10: buys from cash that is there, each under its stop before the next."""
        self.bought = self.session.buy(self._orders(Side.BUY))
        return self.bought

    @recorded
    def close_dust(self) -> list[OrderRow]:
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
    def clean_up(self) -> list[StopRow]:
        """Step 13: stops that are left of positions that are gone."""
        return self.session.clean_up()

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
            "bare_seconds": self.session.unprotected_seconds(),
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

    def _heartbeat(self, event: str, **fields: Any) -> None:
        if self.writes:
            self.folder.logs.write("heartbeat", event=event, **fields)

    def _snapshot(self, account: Account) -> pd.DataFrame:
        """Return one row per ticker: holdings, decision and stop."""
        orders = [*self.sold, *self.bought, *self.dust]
        days = self.config.execution_and_costs.cooldown_counter_threshold
        return Snapshot(account, self.decision, days, orders, self.stops).table


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


def _made(value: T | None, step: str) -> T:
    if value is None:
        raise HaltRun(f"step {step} has not run; the steps go in the order of the notebook")
    return value
