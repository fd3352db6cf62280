"""
Planted faults: each breaks one rule of execution, and the proofs must catch it by name.

They are patches of one process; nothing of ``tf_lib`` knows of them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import os
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

ZERO = Decimal(0)


def put(owner: object, name: str, fault: object) -> Any:
    """Put a fault in the place of what is there, and return that; it must be there."""
    honest = getattr(owner, name)
    setattr(owner, name, fault)
    return honest


def no_fsync() -> None:
    """Write the ledger without flushing it."""
    from tf_lib.store.ledger import Ledger

    def append(ledger: Any, line: bytes) -> None:
        os.write(ledger._file, line)

    put(Ledger, "_append", append)


def restore_only_in_finally() -> None:
    """Leave it to the run that cancelled a stop to place it again; nobody else does."""
    from tf_lib.execution.protection import Cover

    close = Cover._close

    def closed(cover: Any, gap: Any, stops: Any) -> None:
        if not any(stop.cancel_sent for stop in cover.position.ended_stops()):
            close(cover, gap, stops)

    put(Cover, "_close", closed)


def ordinal_always_1() -> None:
    from tf_lib.store.ledger import Ledger

    put(Ledger, "next_ordinal", lambda ledger, key, known: 1)


def open_list_trusted() -> None:
    """Look for an order in the list of open ones only."""
    from tf_lib.execution.order_sender import Desk

    def look_up(desk: Any, record: Any) -> Any:
        listed = desk.client.orders(is_open=True)
        return next((o for o in listed if o.client_order_id == record.client_id), None)

    put(Desk, "_look_up", look_up)


def stale_zero_trusted() -> None:
    """Believe the account list whatever our own fills say."""
    from tf_lib.execution import reconciliation
    from tf_lib.execution.position import Position

    put(reconciliation, "_doubt", lambda desk, product, holding: None)
    put(Position, "_doubt", lambda position, holding: "")


def guard_raises() -> None:
    """Let the guard compute a level and move intact stops to it."""
    from tf_lib.execution import protect_all
    from tf_lib.execution.order_sender import Desk

    def raised(desk: Any, product: Any) -> Any:
        known = fallback(desk, product)
        level = known.target_level * Decimal("1.02")
        return dataclasses.replace(known, target_level=level, may_move=True)

    fallback = put(protect_all, "fallback_protection", raised)
    put(Desk, "_must_stay", lambda desk, record: False)


def size_in_the_id() -> None:
    """Let the body take part in the id."""
    from tf_lib.store import ledger

    body_of = {"text": ""}
    intend = ledger.Ledger.intend

    def remembered(book: Any, key: Any, body: Any, **more: Any) -> Any:
        body_of["text"] = str(sorted(body.items()))
        return intend(book, key, body, **more)

    def mixed(uuid: str, key: Any, ordinal: int) -> str:
        digest = hashlib.sha256((uuid + str(key) + body_of["text"]).encode()).hexdigest()
        return str(honest(uuid, key, ordinal))[:-16] + digest[:16]

    put(ledger.Ledger, "intend", remembered)
    honest = put(ledger, "client_id", mixed)


def unknown_buy_resent() -> None:
    from tf_lib.execution.order_sender import Desk

    put(Desk, "_may_resend", lambda desk, record: True)


def token_reusable() -> None:
    """Leave the token's file where it was when it is claimed."""

    path_class = type(Path())
    rename = path_class.rename

    def kept(path: Path, target: Any) -> Any:
        if path.name.startswith("arming-"):
            content = path.read_bytes()
            moved = rename(path, target)
            path.write_bytes(content)
            return moved
        return rename(path, target)

    put(Path, "rename", kept)


def done_before_effects() -> None:
    """Mark the day done when it is claimed."""
    from tf_lib.app.launch.runner import Runner

    claim = Runner._claim

    def claimed(runner: Any, ledger: Any, day: Any, uuid: str) -> Any:
        attempt = claim(runner, ledger, day, uuid)
        ledger.mark(day, "done", run_id=attempt.run_id, exit_code=0)
        return attempt

    put(Runner, "_claim", claimed)


def clamp_remembered() -> None:
    """Keep the level at which a stop rests, not the one where it belongs."""
    from tf_lib.execution.protection import Cover

    remember = Cover._remember

    def remembered(cover: Any) -> None:
        cover.protection = dataclasses.replace(
            cover.protection, target_level=cover.result.resting_level
        )
        remember(cover)

    put(Cover, "_remember", remembered)


def hold_not_awaited() -> None:
    from tf_lib.execution.position import Position

    put(Position, "await_release", lambda position, wanted: wanted)


def plan_age_ignored() -> None:
    from tf_lib.execution.rebalance import Rebalance

    put(Rebalance, "_too_late", lambda rebalance: "")


def plan_age_asked_once() -> None:
    """Ask for the plan's age when an order's turn comes, and not again before it is sent."""
    from tf_lib.execution.rebalance import Rebalance

    execute, too_late = Rebalance.execute, Rebalance._too_late

    def executed(rebalance: Any, planned: Any) -> Any:
        said = too_late(rebalance)
        put(Rebalance, "_too_late", lambda rebalance: said)
        return execute(rebalance, planned)

    put(Rebalance, "execute", executed)


def foreign_stop_cancelled() -> None:
    """Cancel whatever sells a product before it is covered."""
    from tf_lib.execution.protection import Cover

    ensure = Cover.ensure

    def cleared(cover: Any) -> Any:
        product_id = cover.position.product_id
        for order in cover.desk.client.orders([product_id], is_open=True):
            if not order.client_order_id.startswith("tf1-"):
                cover.desk.client.cancel([order.order_id])
        return ensure(cover)

    put(Cover, "ensure", cleared)


def undefined_signal_sold() -> None:
    """Take a signal that is not defined for one that is zero."""
    from tf_lib.core import decision

    standing = decision._standing

    def known(*arguments: Any, **more: Any) -> Any:
        day = standing(*arguments, **more)
        return day._replace(known=day.known | True)

    put(decision, "_standing", known)


def cancel_before_look() -> None:
    """Cancel a stop without asking whether the product takes another."""
    from tf_lib.execution.position import Position

    put(Position, "accepts_sells", lambda position: True)


def unknown_taken_for_refused() -> None:
    """Read every answer that is no clean success as a no."""
    from tf_lib.exchange.coinbase import client
    from tf_lib.exchange.port import RefusalKind, Refused, Unknown

    def judged(reply: Any, **more: Any) -> Any:
        answer = judge(reply, **more)
        if isinstance(answer, Unknown):
            return Refused("HTTP_503", answer.why, RefusalKind.VENUE)
        return answer

    judge = put(client, "judge_create", judged)


def intent_after_the_answer() -> None:
    """Send first, write down afterwards."""
    from tf_lib.store.ledger import Ledger

    append, held = Ledger._append, []

    def late(ledger: Any, line: bytes) -> None:
        if b'"kind": "intent"' in line:
            held.append(line)
            return
        for one in (*held, line):
            append(ledger, one)
        held.clear()

    put(Ledger, "_append", late)


def no_lock() -> None:
    """Let everybody in."""
    from tf_lib.safety.lock import ProcessLock

    put(ProcessLock, "acquire", lambda lock: lock)


def epoch_ignored() -> None:
    from tf_lib.safety import epoch

    put(epoch, "check", lambda state, started_under: None)


def whole_size_again() -> None:
    """Resume a plan without looking at what was filled."""
    from tf_lib.execution.rebalance import Rebalance

    put(Rebalance, "remaining", lambda rebalance, planned: planned.base_size)


def bare_since_now() -> None:
    """Start the clock of an unprotected position when it is found."""
    from tf_lib.execution.unprotected_time import BareTime

    begin = BareTime.begin
    put(BareTime, "begin", lambda clock, product, since=None: begin(clock, product))


def torn_line_kept() -> None:
    """Write on behind half a line."""
    from tf_lib.store.ledger import Ledger

    write = Ledger._write

    def written(ledger: Any, text: str) -> None:
        ledger._torn_bytes = 0
        write(ledger, text)

    put(Ledger, "_write", written)


def done_not_flushed() -> None:
    """Rename files into place without flushing them or their folder."""
    from tf_lib.app.launch import finish
    from tf_lib.store import files, run_folder

    write = files.write_whole

    def careless(path: Any, content: Any, *, durable: bool = True) -> None:
        write(path, content, durable=False)

    put(files, "write_whole", careless)
    put(run_folder, "write_whole", careless)
    put(finish, "write_whole", careless)


def no_cooldown() -> None:
    """Forget that a position was stopped out."""
    from tf_lib.execution.order_sender import Desk
    from tf_lib.execution.rebalance import Rebalance

    put(Desk, "_start_cooldown", lambda desk, record: None)
    put(Rebalance, "_is_cooling", lambda rebalance, product: False)


def funds_lead_to_exit() -> None:
    """Sell at the market when the exchange says that funds are lacking."""
    from tf_lib.execution import stop_placement
    from tf_lib.execution.position import Position

    put(stop_placement, "_AGAIN", frozenset())
    put(Position, "await_release", lambda position, wanted: wanted)


def impediments_forgotten() -> None:
    """Do not look for what stood in the way."""
    from tf_lib.app.record import impediment_rows

    put(impediment_rows, "found_in", lambda record: [])


def done_whatever_stood_in_the_way() -> None:
    from tf_lib.app.record.summary import RunFacts

    put(RunFacts, "state", property(lambda facts: "done"))


def missed_exits_are_fine() -> None:
    """Let no impediment make an exit code."""
    from tf_lib.app.launch import finish

    put(finish, "keeps_from_trading", lambda found, is_anything_done: False)


def late_start_skips() -> None:
    """Let a start that has nothing to run look at nothing."""
    from tf_lib.app.launch.gate import Gate

    put(Gate, "in_doubt", lambda gate: "")


def storm_not_waited() -> None:
    """Give up when the first reads of the day fail."""
    from tf_lib.exchange.patience import Patience

    put(Patience, "wait", lambda patience, why, **more: False)


def bad_row_stops_all() -> None:
    """Take a row of somebody else's for one that matters."""
    from tf_lib.errors import UnknownState
    from tf_lib.exchange.coinbase.lists import Reads

    def refused(reads: Any, why: str) -> None:
        raise UnknownState(why)

    put(Reads, "leave_out", refused)


def bad_book_stops_all() -> None:
    """Trade nothing when one product has no price."""
    from tf_lib.app.daily.live import LiveSession

    account = LiveSession.account

    def halted(live: Any) -> Any:
        read = account(live)
        live._account = dataclasses.replace(read, halt="no price" if live._unpriced else "")
        return live._account

    put(LiveSession, "account", halted)


def nearer_limit_not_tried() -> None:
    """Meet a price band with the same limit again, and lower levels."""
    from tf_lib.execution import stop_placement

    put(stop_placement, "_nearer", lambda order, tick: [])


def holds_not_waited_for() -> None:
    """Take what is free at once for all that will be."""
    from tf_lib.execution.position import Position

    put(Position, "await_release", lambda position, wanted: position._freed(position._wallet()))


def wrong_bars_believed() -> None:
    from tf_lib.core.candles.quarantine import BelievedBars
    from tf_lib.core.signals import columns

    put(
        columns,
        "believed_bars",
        lambda bars, rules, live=None, doubts=None: BelievedBars(bars, (), (), ()),
    )


def crumbs_lock() -> None:
    """Lock a product for whatever came to it."""
    from tf_lib.execution import ownership

    put(ownership, "_is_adopted", lambda *given, **more: False)


def first_holdings_are_ours() -> None:
    """Take what was there before the first run for our own."""
    from tf_lib.execution import reconciliation

    doubt = reconciliation._doubt

    def trusting(desk: Any, product: Any, holding: Any) -> Any:
        is_first = product.base_currency not in desk.ledger.state.confirmed
        return None if is_first else doubt(desk, product, holding)

    put(reconciliation, "_doubt", trusting)


def exits_locked() -> None:
    """Let a lock stop exits, too."""
    from tf_lib.app.daily.live import LiveSession

    put(LiveSession, "_exits", lambda live, *given: {})


def old_level_trusted() -> None:
    """Believe the ledger's level whatever the exchange has shown since."""
    from tf_lib.execution import protect_all

    put(protect_all, "is_level_old", lambda desk, name: False)


def clock_goes_back() -> None:
    """Take the machine's time, and put it right by whole seconds of ``Date`` when it seems off."""
    from tf_lib.exchange.clock import HeardTime

    def hear(heard: Any, told: dt.datetime) -> None:
        off = int(told.timestamp()) - time.time()
        heard._ahead = off if off <= -0.5 or off >= 30 else 0.0

    def now(heard: Any) -> dt.datetime:
        return dt.datetime.fromtimestamp(time.time() + heard._ahead, dt.UTC)

    put(HeardTime, "hear", hear)
    put(HeardTime, "now", now)


def plan_orders_by_time() -> None:
    """Take what was sent since the plan was made for its orders, by a clock that goes back."""
    from tf_lib.store.ledger_state import LedgerState

    clock_goes_back()

    def of_plan(state: Any, key: Any) -> Any:
        since = dt.datetime.fromisoformat(state.plans[key.day]["planned_at"])
        return [order for order in state.of_leg(key) if order.intended_at >= since]

    put(LedgerState, "of_plan", of_plan)


FAULTS: dict[str, Callable[[], None]] = {
    function.__name__: function
    for function in (
        no_fsync,
        restore_only_in_finally,
        ordinal_always_1,
        open_list_trusted,
        stale_zero_trusted,
        guard_raises,
        size_in_the_id,
        unknown_buy_resent,
        token_reusable,
        done_before_effects,
        clamp_remembered,
        hold_not_awaited,
        plan_age_ignored,
        plan_age_asked_once,
        foreign_stop_cancelled,
        undefined_signal_sold,
        cancel_before_look,
        unknown_taken_for_refused,
        intent_after_the_answer,
        no_lock,
        epoch_ignored,
        whole_size_again,
        bare_since_now,
        torn_line_kept,
        done_not_flushed,
        no_cooldown,
        funds_lead_to_exit,
        impediments_forgotten,
        done_whatever_stood_in_the_way,
        missed_exits_are_fine,
        late_start_skips,
        storm_not_waited,
        bad_row_stops_all,
        bad_book_stops_all,
        nearer_limit_not_tried,
        holds_not_waited_for,
        wrong_bars_believed,
        crumbs_lock,
        first_holdings_are_ours,
        exits_locked,
        old_level_trusted,
        clock_goes_back,
        plan_orders_by_time,
    )
}


def plant(name: str) -> None:
    """Break one rule in this process."""
    FAULTS[name]()
