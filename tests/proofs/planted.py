"""
Planted faults: each breaks one rule of execution, and the proofs must catch it by name.

They are patches of one process; nothing of ``tf_lib`` knows of them. A fault is a function that is
called in the place of another: it is given that one first, and then what that one was called with.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import hashlib
import os
import pkgutil
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

FAULTS: dict[str, Callable[[], None]] = {}


def put(target: str, fault: object) -> Any:
    """Put a fault in the place of a dotted name, and return what is there; it must be there."""
    owner, _, name = target.rpartition(".")
    place = pkgutil.resolve_name(owner)
    honest = getattr(place, name)
    setattr(place, name, fault)
    return honest


def wrap(target: str, fault: Callable[..., Any]) -> None:
    """Let a fault be called instead, with what was there before the arguments."""
    honest: Any = put(target, lambda *given, **more: fault(honest, *given, **more))


def in_place_of(*targets: str) -> Callable[[Callable[..., Any]], None]:
    """Return what makes a function the fault of its name, called in the place of these."""

    def made(fault: Callable[..., Any]) -> None:
        @functools.wraps(fault)
        def planted() -> None:
            for target in targets:
                wrap(f"tf_lib.{target}", fault)

        FAULTS[fault.__name__] = planted

    return made


def several(fault: Callable[[], None]) -> Callable[[], None]:
    """Make what puts several faults into their places the fault of its name."""
    return FAULTS.setdefault(fault.__name__, fault)


def plant(name: str) -> None:
    """Break one rule in this process."""
    FAULTS[name]()


@in_place_of("store.ledger.Ledger._append")
def no_fsync(_: Any, ledger: Any, line: bytes) -> None:
    """Write the ledger without flushing it."""
    os.write(ledger._file, line)


@in_place_of("execution.protection.Cover._close")
def restore_only_in_finally(close: Any, cover: Any, gap: Any, stops: Any) -> None:
    """Leave it to the run that cancelled a stop to place it again; nobody else does."""
    if not any(stop.cancel_sent for stop in cover.position.ended_stops()):
        close(cover, gap, stops)


@in_place_of("store.ledger.Ledger.next_ordinal")
def ordinal_always_1(*_: Any, **__: Any) -> int:
    return 1


@in_place_of("execution.order_sender.OrderSender._look_up")
def open_list_trusted(_: Any, sender: Any, record: Any) -> Any:
    """Look for an order in the list of open ones only."""
    listed = sender.client.orders(is_open=True)
    return next((o for o in listed if o.client_order_id == record.client_id), None)


@in_place_of("execution.reconciliation._doubt", "execution.position.Position._doubt")
def stale_zero_trusted(*_: Any) -> None:
    """Believe the account list whatever our own fills say."""


@several
def guard_raises() -> None:
    """Let the guard compute a level and move intact stops to it."""

    def raised(fallback: Any, *given: Any) -> Any:
        known = fallback(*given)
        level = known.target_level * Decimal("1.02")
        return dataclasses.replace(known, target_level=level, may_move=True)

    wrap("tf_lib.execution.protect_all.fallback_protection", raised)
    put("tf_lib.execution.order_sender.OrderSender._must_stay", lambda sender, record: False)


@several
def size_in_the_id() -> None:
    """Let the body take part in the id."""
    body_of = {"text": ""}

    def remembered(intend: Any, book: Any, key: Any, body: Any, **more: Any) -> Any:
        body_of["text"] = str(sorted(body.items()))
        return intend(book, key, body, **more)

    def mixed(honest: Any, uuid: str, key: Any, ordinal: int) -> str:
        digest = hashlib.sha256((uuid + str(key) + body_of["text"]).encode()).hexdigest()
        return str(honest(uuid, key, ordinal))[:-16] + digest[:16]

    wrap("tf_lib.store.ledger.Ledger.intend", remembered)
    wrap("tf_lib.store.ledger.client_id", mixed)


@in_place_of("execution.order_sender.OrderSender._may_resend")
def unknown_buy_resent(*_: Any) -> bool:
    return True


@several
def token_reusable() -> None:
    """Leave the token's file where it was when it is claimed."""

    def kept(rename: Any, path: Path, target: Any) -> Any:
        if not path.name.startswith("arming-"):
            return rename(path, target)
        content = path.read_bytes()
        moved = rename(path, target)
        path.write_bytes(content)
        return moved

    wrap("pathlib.Path.rename", kept)


@in_place_of("app.launch.runner.Runner._claim")
def done_before_effects(claim: Any, runner: Any, ledger: Any, day: Any, uuid: str) -> Any:
    """Mark the day done when it is claimed."""
    attempt = claim(runner, ledger, day, uuid)
    ledger.mark(day, "done", run_id=attempt.run_id, exit_code=0)
    return attempt


@in_place_of("execution.protection.Cover._remember")
def clamp_remembered(remember: Any, cover: Any) -> None:
    """Keep the level at which a stop rests, not the one where it belongs."""
    level = cover.result.resting_level
    cover.protection = dataclasses.replace(cover.protection, target_level=level)
    remember(cover)


@in_place_of("execution.position.Position.await_release")
def hold_not_awaited(_: Any, position: Any, wanted: Any) -> Any:
    return wanted


@in_place_of("execution.rebalance.Rebalance._too_late")
def plan_age_ignored(*_: Any) -> str:
    return ""


@in_place_of("execution.rebalance.Rebalance.execute")
def plan_age_asked_once(execute: Any, rebalance: Any, planned: Any) -> Any:
    """Ask for the plan's age when an order's turn comes, and not again before it is sent."""
    said = rebalance._too_late()
    rebalance._too_late = lambda: said
    try:
        return execute(rebalance, planned)
    finally:
        del rebalance._too_late


@in_place_of("execution.protection.Cover.ensure")
def foreign_stop_cancelled(ensure: Any, cover: Any) -> Any:
    """Cancel whatever sells a product before it is covered."""
    for order in cover.sender.client.orders([cover.position.product_id], is_open=True):
        if not order.client_order_id.startswith("tf1-"):
            cover.sender.client.cancel([order.order_id])
    return ensure(cover)


@in_place_of("core.decision._standing")
def undefined_signal_sold(standing: Any, *arguments: Any, **more: Any) -> Any:
    """Take a signal that is not defined for one that is zero."""
    day = standing(*arguments, **more)
    return day._replace(known=day.known | True)


@in_place_of("execution.position.Position.accepts_sells")
def cancel_before_look(*_: Any) -> bool:
    """Cancel a stop without asking whether the product takes another."""
    return True


@in_place_of("exchange.coinbase.client.judge_create")
def unknown_taken_for_refused(judge: Any, reply: Any, **more: Any) -> Any:
    """Read every answer that is no clean success as a no."""
    from tf_lib.exchange.port import RefusalKind, Refused, Unknown

    answer = judge(reply, **more)
    if isinstance(answer, Unknown):
        return Refused("HTTP_503", answer.why, RefusalKind.VENUE)
    return answer


@several
def intent_after_the_answer() -> None:
    """Send first, write down afterwards."""
    held: list[bytes] = []

    def late(append: Any, ledger: Any, line: bytes) -> None:
        if b'"kind": "intent"' in line:
            held.append(line)
            return
        for one in (*held, line):
            append(ledger, one)
        held.clear()

    wrap("tf_lib.store.ledger.Ledger._append", late)


@in_place_of("safety.lock.ProcessLock.acquire")
def no_lock(_: Any, lock: Any) -> Any:
    """Let everybody in."""
    return lock


@in_place_of("safety.epoch.check")
def epoch_ignored(*_: Any, **__: Any) -> None:
    pass


@in_place_of("execution.rebalance.Rebalance.remaining")
def whole_size_again(_: Any, rebalance: Any, planned: Any) -> Any:
    """Resume a plan without looking at what was filled."""
    return planned.base_size


@in_place_of("execution.unprotected_time.UnprotectedTime.begin")
def bare_since_now(begin: Any, clock: Any, product: Any, since: object = None) -> Any:
    """Start the clock of an unprotected position when it is found."""
    return begin(clock, product)


@in_place_of("store.ledger.Ledger._write")
def torn_line_kept(write: Any, ledger: Any, text: str) -> None:
    """Write on behind half a line."""
    ledger._torn_bytes = 0
    write(ledger, text)


@in_place_of(
    "store.files.write_whole", "store.run_folder.write_whole", "app.launch.finish.write_whole"
)
def done_not_flushed(write: Any, path: Any, content: Any, *, durable: bool = True) -> None:
    """Rename files into place without flushing them or their folder."""
    write(path, content, durable=False)


@in_place_of(
    "execution.order_sender.OrderSender._start_cooldown",
    "execution.rebalance.Rebalance._is_cooling",
)
def no_cooldown(*_: Any) -> bool:
    """Forget that a position was stopped out."""
    return False


@several
def funds_lead_to_exit() -> None:
    """Sell at the market when the exchange says that funds are lacking."""
    put("tf_lib.execution.stop_placement._AGAIN", frozenset())
    FAULTS["hold_not_awaited"]()


@in_place_of("app.record.impediment_rows.found_in")
def impediments_forgotten(*_: Any) -> list[Any]:
    """Do not look for what stood in the way."""
    return []


@several
def done_whatever_stood_in_the_way() -> None:
    put("tf_lib.app.record.summary.RunFacts.state", property(lambda facts: "done"))


@in_place_of("app.launch.finish.keeps_from_trading")
def missed_exits_are_fine(*_: Any, **__: Any) -> bool:
    """Let no impediment make an exit code."""
    return False


@in_place_of("app.launch.gate.Gate.in_doubt")
def late_start_skips(*_: Any) -> str:
    """Let a start that has nothing to run look at nothing."""
    return ""


@in_place_of("exchange.patience.Patience.wait")
def storm_not_waited(*_: Any, **__: Any) -> bool:
    """Give up when the first reads of the day fail."""
    return False


@in_place_of("exchange.coinbase.lists.Reads.leave_out")
def bad_row_stops_all(_: Any, reads: Any, why: str) -> None:
    """Take a row of somebody else's for one that matters."""
    from tf_lib.errors import UnknownState

    raise UnknownState(why)


@in_place_of("app.daily.live.LiveSession.account")
def bad_book_stops_all(account: Any, live: Any) -> Any:
    """Trade nothing when one product has no price."""
    read = account(live)
    live._account = dataclasses.replace(read, halt="no price" if live._unpriced else "")
    return live._account


@in_place_of("execution.stop_placement._nearer")
def nearer_limit_not_tried(*_: Any) -> list[Any]:
    """Meet a price band with the same limit again, and lower levels."""
    return []


@in_place_of("execution.position.Position.await_release")
def holds_not_waited_for(_: Any, position: Any, wanted: Any) -> Any:
    """Take what is free at once for all that will be."""
    return position._freed(position._wallet())


@in_place_of("core.signals.columns.believed_bars")
def wrong_bars_believed(_: Any, bars: Any, rules: Any, live: Any = None, doubts: Any = None) -> Any:
    from tf_lib.core.candles.quarantine import BelievedBars

    return BelievedBars(bars, (), (), ())


@in_place_of("execution.ownership._is_adopted")
def crumbs_lock(*_: Any, **__: Any) -> bool:
    """Lock a product for whatever came to it."""
    return False


@in_place_of("execution.reconciliation._doubt")
def first_holdings_are_ours(doubt: Any, sender: Any, product: Any, holding: Any) -> Any:
    """Take what was there before the first run for our own."""
    is_first = product.base_currency not in sender.ledger.state.confirmed
    return None if is_first else doubt(sender, product, holding)


@in_place_of("app.daily.live.LiveSession._exits")
def exits_locked(*_: Any) -> dict[str, Any]:
    """Let a lock stop exits, too."""
    return {}


@in_place_of("core.plan.is_withheld", "execution.rebalance.is_withheld")
def pause_ignored(*_: Any) -> bool:
    """Trade as ever, whatever somebody asked for."""
    return False


@several
def theirs_is_sold() -> None:
    """Let a flatten sell whatever is there."""
    put("tf_lib.store.ledger_state.LedgerState.own_units", lambda state, base, total: total)
    put("tf_lib.execution.position.Position.ours_of", lambda position, free: free)


@in_place_of("execution.protect_all.is_level_old")
def old_level_trusted(*_: Any) -> bool:
    """Believe the ledger's level whatever the exchange has shown since."""
    return False


@several
def clock_goes_back() -> None:
    """Take the machine's time, and put it right by whole seconds of ``Date`` when it seems off."""

    def hear(heard: Any, told: dt.datetime) -> None:
        off = int(told.timestamp()) - time.time()
        heard._ahead = off if off <= -0.5 or off >= 30 else 0.0

    def now(heard: Any) -> dt.datetime:
        return dt.datetime.fromtimestamp(time.time() + heard._ahead, dt.UTC)

    put("tf_lib.exchange.clock.HeardTime.hear", hear)
    put("tf_lib.exchange.clock.HeardTime.now", now)


@several
def plan_orders_by_time() -> None:
    """Take what was sent since the plan was made for its orders, by a clock that goes back."""
    clock_goes_back()

    def of_plan(state: Any, key: Any, plan: Any = None) -> Any:
        since = dt.datetime.fromisoformat(state.plans[key.day]["planned_at"])
        return [order for order in state.of_leg(key) if order.intended_at >= since]

    put("tf_lib.store.ledger_state.LedgerState.of_plan", of_plan)
