"""
The oracle: what an exchange and a ledger must look like when nothing went wrong.

It imports nothing of ``tf_lib``. Judged is the exchange's own SQLite file, after its lags have
drained, and the ledger's lines as text; each finding begins with the name of what was violated.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.oracle.exchange_state import ExchangeState, Order, Rules
from tests.proofs.silence import silent
from tests.proofs.wishes import against_wishes

ZERO = Decimal(0)
COOLDOWN_DAYS = 7
PLAN_AGE = dt.timedelta(minutes=10)
ENTRY_LEGS, STOP_LEGS, SALE_LEGS = ("en", "pi"), ("sc", "sa"), ("tr", "ex")
LIVE_STAGES = {"INTENDED", "UNKNOWN", "ACKED", "WORKING", "CANCEL_SENT", "TRIGGERED"}
EXCUSES = ("clamped", "old level", "5 ticks", "1 %", "2 %")
SECOND = dt.timedelta(seconds=1)
CRUMB = Decimal("1e-15")
PLANS = ("plan", "flatten_plan")
Line = Mapping[str, Any]


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


@dataclass(frozen=True)
class Evidence:
    """
    Everything a case left behind.

    Attributes
    ----------
    exchange : ExchangeState
    ledger : bytes
        As it is on disk.
    durable : bytes
        As it was on disk when the process died.
    rules, last : mapping of product
        Steps and minimums, and the price of the last trade.
    cash : Decimal
        What the portfolio began with.
    rows : sequence of mapping
        Results of ``stop_updates`` of all runs, guards and protects.
    profile : Path
        Folder of the profile.
    triggered : mapping of client id to datetime
        When a stop triggered, where it did not fill at once.
    moved : sequence of (currency, amount, moment)
        What was put in or taken out by others.
    ledger_is_whole : bool
        False where a test took the ledger away.
    requests : sequence of mapping
        What the exchange heard.
    """

    exchange: ExchangeState
    ledger: bytes
    rules: Mapping[str, Rules]
    last: Mapping[str, Decimal]
    cash: Decimal
    profile: Path
    durable: bytes = b""
    rows: Sequence[Line] = ()
    triggered: Mapping[str, dt.datetime] = field(default_factory=dict)
    moved: Sequence[tuple[str, Decimal, dt.datetime]] = ()
    ledger_is_whole: bool = True
    requests: Sequence[Line] = ()

    def moved_until(self, currency: str, until: dt.datetime | None = None) -> Decimal:
        moved = [(n, at) for c, n, at in self.moved if c == currency]
        return sum((n for n, at in moved if until is None or at <= until), ZERO)

    @functools.cached_property
    def lines(self) -> list[dict[str, Any]]:
        """Every whole line; a torn end that nobody has written after is none."""
        found = (_parsed(piece) for piece in self.ledger.split(b"\n")[:-1])
        return [line for line in found if line is not None]


def _parsed(piece: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(piece)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def judge(evidence: Evidence) -> list[str]:
    """Return everything that is wrong, most serious first; nothing when all is well."""
    return [
        *_bare(evidence),
        *_doubled(evidence),
        *_stray(evidence),
        *_overfilled(evidence),
        *against_wishes(evidence.lines, evidence.exchange),
        *_cooldown(evidence),
        *_lowered(evidence),
        *_lost_lines(evidence),
        *_disagrees(evidence),
        *_done_marks(evidence),
        *_bare_time(evidence),
        *_money(evidence),
        *_wrong_ids(evidence),
        *_stale_plan(evidence),
        *_resent_buys(evidence),
        *_foreign(evidence),
        *_clamped_levels(evidence),
        *silent(evidence.exchange, evidence.profile, evidence.rules),
    ]


# -- positions -------------------------------------------------------------------------------


def _bare(evidence: Evidence) -> Iterator[str]:
    exchange = evidence.exchange
    for product in exchange.held_products:
        total, rules = exchange.held(product), evidence.rules[product]
        covering = [o for o in exchange.orders if o.product == product and o.protects]
        covered = sum((stop.remaining for stop in covering), ZERO)
        bare = rules.floored(total) - covered
        if rules.needs_stop(bare, evidence.last.get(product, ZERO), covering):
            yield f"bare: {product}: {bare} of {total} rests under no stop"


def _doubled(evidence: Evidence) -> Iterator[str]:
    exchange = evidence.exchange
    for product in {order.product for order in exchange.live}:
        stops = exchange.stops(product)
        covered = sum((stop.remaining for stop in stops), ZERO)
        if covered > exchange.held(product):
            yield f"doubled: {product}: stops over {covered} for {exchange.held(product)}"
        legs = sorted(stop.leg for stop in stops)
        if legs.count("sc") > 1 or legs.count("sa") > 2:
            yield f"doubled: {product}: live stops {legs}"


def _stray(evidence: Evidence) -> Iterator[str]:
    intents = {x["client_id"]: x for x in evidence.lines if x["kind"] == "intent"}
    for order in evidence.exchange.orders:
        if not order.is_own:
            continue
        if order.is_live and not (order.leg in STOP_LEGS and order.protects):
            yield f"stray: {order.product}: {order.client_id} is live and protects nothing"
        intent = intents.get(order.client_id)
        if intent is None:
            yield f"stray: {order.product}: {order.client_id} was never intended"
        elif evidence.ledger_is_whole and intent.get("adopted"):
            yield f"stray: {order.product}: {order.client_id} was adopted, nothing was lost"
        elif evidence.ledger_is_whole and _time(intent["at"]) > order.created + SECOND:
            yield f"stray: {order.product}: {order.client_id} was intended after it was made"


# -- effects ---------------------------------------------------------------------------------


def _group(leg: str) -> str:
    return "en" if leg in ENTRY_LEGS else leg


def _overfilled(evidence: Evidence) -> Iterator[str]:
    planned: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for line in evidence.lines:
        if line["kind"] in PLANS:
            for row in line["orders"]:
                planned[line["day"], row["product_id"], row["leg"]] += Decimal(row["base_size"])
    filled: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for order in evidence.exchange.orders:
        if order.is_own and order.filled and order.leg in (*ENTRY_LEGS, *SALE_LEGS):
            filled[str(order.day), order.product, _group(order.leg)] += order.filled
    for key, size in sorted(filled.items()) if evidence.ledger_is_whole else ():
        if size > planned.get(key, ZERO):
            yield f"overfilled: {key}: {size} traded, {planned.get(key, ZERO)} planned"


def _cooldown(evidence: Evidence) -> Iterator[str]:
    legs = {order.order_id: order for order in evidence.exchange.orders}
    # The line of an order that was taken in again is of that day, not of the day it was sent.
    intended = {
        line["client_id"]: _time(line["at"])
        for line in evidence.lines
        if line["kind"] == "intent" and not line.get("adopted")
    }
    taken: dict[str, list[dt.datetime]] = defaultdict(list)
    for fill in evidence.exchange.fills:
        order = legs[fill.order_id]
        if order.is_own and order.leg in (*STOP_LEGS, "em"):
            taken[fill.product].append(fill.at)
    for order in evidence.exchange.orders:
        if not (order.is_own and order.leg in ENTRY_LEGS and order.filled):
            continue
        sent = intended.get(order.client_id, order.created)
        for at in taken[order.product]:
            # A request on its way cannot know; it is never sent again.
            if at <= sent and (order.day - at.date()).days < COOLDOWN_DAYS:
                yield f"cooldown: {order.client_id} bought after a stop filled on {at.date()}"


def _lowered(evidence: Evidence) -> Iterator[str]:
    """A live stop below an earlier one of the same holding needs a reason in the record."""
    exchange = evidence.exchange
    excused = {
        (row["product"], row.get("resting_level"))
        for row in evidence.rows
        if any(word in str(row.get("reason")) for word in EXCUSES)
    }
    for product in exchange.held_products:
        began = _holding_began(evidence, product)
        earlier = [
            order
            for order in exchange.orders
            if order.product == product and order.is_own and order.leg in STOP_LEGS
            if order.stop is not None and order.created >= began
        ]
        for stop in exchange.stops(product):
            before = [o.stop for o in earlier if o.stop is not None and o.created < stop.created]
            highest = max(before, default=ZERO)
            if stop.stop is None or stop.stop >= highest:
                continue
            if (product, format(stop.stop, "f")) not in excused:
                yield f"lowered: {product}: rests at {stop.stop}, once was at {highest}"


def _holding_began(evidence: Evidence, product: str) -> dt.datetime:
    rules, base = evidence.rules[product], product.split("-")[0]
    began = dt.datetime.min.replace(tzinfo=dt.UTC)
    fills = [fill for fill in evidence.exchange.fills if fill.product == product]
    changes = [(f.at, f.size if f.side == "BUY" else -f.size, f.price) for f in fills]
    last = evidence.last.get(product, ZERO)
    changes += [(at, amount, last) for name, amount, at in evidence.moved if name == base]
    total = ZERO
    for at, amount, price in sorted(changes):
        was_dust = rules.is_dust(total, price)
        total += amount
        if was_dust and not rules.is_dust(total, price):
            began = at
    return began


def _wrong_ids(evidence: Evidence) -> Iterator[str]:
    """An id is a hash of account, day, product, side, leg and ordinal, and of nothing else."""
    uuid = next((x["portfolio_uuid"] for x in evidence.lines if x["kind"] == "pin"), "")
    for order in evidence.exchange.orders:
        if order.is_own:
            ordinal = order.client_id.split("-")[2][2:]
            parts = (uuid, str(order.day), order.product, order.side, order.leg, ordinal)
            digest = hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]
            if not order.client_id.endswith(digest):
                yield f"wrong_id: {order.client_id}"


def _stale_plan(evidence: Evidence) -> Iterator[str]:
    """No order of a plan is intended once the plan is ten minutes old or its day is over."""
    planned: dict[str, dt.datetime] = {}
    for line in evidence.lines:
        if line["kind"] in PLANS:
            # A flatten has plans of its own, by their ids; the day's is known by its day.
            name = line["day"] if line["kind"] == "plan" else line["id"]
            planned[name] = _time(line["planned_at"])
        if line["kind"] not in ("intent", "resent") or line.get("adopted"):
            continue
        intent = line if line["kind"] == "intent" else _intent_of(evidence, line["client_id"])
        if intent["leg"] in (*ENTRY_LEGS, *SALE_LEGS, "du"):
            named = intent.get("plan")
            at = _time(line["at"])
            plan = planned.get(named if named in planned else intent["day"])
            is_late = plan is None or at - plan > PLAN_AGE or str(at.date()) != intent["day"]
            if is_late:
                yield f"stale_plan: {intent['client_id']} at {line['at']}, planned at {plan}"


def _intent_of(evidence: Evidence, identity: str) -> Line:
    lines = evidence.lines
    return next(x for x in lines if x["kind"] == "intent" and x["client_id"] == identity)


def _resent_buys(evidence: Evidence) -> Iterator[str]:
    sent: dict[str, int] = defaultdict(int)
    for line in evidence.requests:
        body = line.get("body")
        is_create = line["changing"] and str(line["path"]).endswith("/orders")
        if is_create and isinstance(body, Mapping) and body.get("side") == "BUY":
            sent[str(body.get("client_order_id"))] += 1
    for line in evidence.lines:
        if line["kind"] == "resent" and _intent_of(evidence, line["client_id"])["side"] == "BUY":
            yield f"resent_buy: {line['client_id']} was sent again"
    for identity, times in sent.items():
        if times > 1:
            yield f"resent_buy: {identity} was sent {times} times"


def _foreign(evidence: Evidence) -> Iterator[str]:
    """Nobody else's order is ever cancelled by us."""
    theirs = {o.order_id: o for o in evidence.exchange.orders if not o.is_own}
    for line in evidence.requests:
        body = line.get("body")
        if line["changing"] and isinstance(body, Mapping):
            for order_id in body.get("order_ids") or ():
                if order_id in theirs:
                    yield f"foreign: {theirs[order_id].client_id} was cancelled"


def _clamped_levels(evidence: Evidence) -> Iterator[str]:
    """A level that is remembered is never the one to which a stop was clamped that day."""
    for row in evidence.rows:
        if "clamped" not in str(row.get("reason")):
            continue
        day = _time(row["at"]).date()
        for line in evidence.lines:
            is_level = line["kind"] == "level" and line["product"] == row["product"]
            # On a coarse grid the target of another day may well have been the same number.
            is_clamp = is_level and _time(line["at"]).date() == day
            is_clamp = is_clamp and line["target_level"] == row["resting_level"]
            if is_clamp and Decimal(line["target_level"]) != Decimal(row["target_level"]):
                yield f"clamp: {row['product']}: {line['target_level']} was remembered"


# -- the record ------------------------------------------------------------------------------


def _lost_lines(evidence: Evidence) -> Iterator[str]:
    """What was durable when the process died stands at the ledger's beginning, byte for byte."""
    whole = evidence.durable[: evidence.durable.rfind(b"\n") + 1]
    if not evidence.ledger.startswith(whole):
        yield "lost_line: the ledger does not begin with what was durable"
    for number, piece in enumerate(evidence.ledger.split(b"\n")[:-1], start=1):
        if _parsed(piece) is None:
            yield f"lost_line: line {number} is not whole: {piece[:60]!r}"


def _disagrees(evidence: Evidence) -> Iterator[str]:
    stages: dict[str, str] = {}
    filled: dict[str, Decimal] = {}
    for line in evidence.lines:
        if line["kind"] == "intent":
            stages.setdefault(line["client_id"], "INTENDED")
        elif line["kind"] in ("move", "facts"):
            stages[line["client_id"]] = line.get("to", stages[line["client_id"]])
            if "filled_size" in line:
                filled[line["client_id"]] = Decimal(line["filled_size"])
    at_exchange = {order.client_id: order for order in evidence.exchange.orders if order.is_own}
    for identity, order in at_exchange.items():
        stage = stages.get(identity, "")
        if order.is_live != (stage in LIVE_STAGES) and stage not in ("MISMATCH", "ABSENT"):
            yield f"disagrees: {identity} is {order.status}, the ledger says {stage or 'nothing'}"
        if filled.get(identity, ZERO) != order.filled:
            yield f"disagrees: {identity} filled {order.filled}, ledger {filled.get(identity)}"
    for identity, stage in stages.items():
        if stage in LIVE_STAGES and identity not in at_exchange:
            yield f"disagrees: {identity} is {stage} and not at the exchange"


def _done_marks(evidence: Evidence) -> Iterator[str]:
    seen: dict[str, list[str]] = defaultdict(list)
    for line in evidence.lines:
        if line["kind"] == "mark":
            if line["mark"] == "claimed" and line.get("forced"):
                seen[line["day"]] = []
            seen[line["day"]].append(line["mark"])
    for day, marks in seen.items():
        if "done" in marks and "effects_complete" not in marks[: marks.index("done")]:
            yield f"done_mark: {day} is done without its effects"
        if "done" in marks and not (evidence.profile / day / "done.json").exists():
            yield f"done_mark: {day} is marked done and has no done.json"
    for path in evidence.profile.glob("*-*-*/done.json"):
        is_known = path.parent.name in seen or evidence.ledger_is_whole
        if is_known and "effects_complete" not in seen.get(path.parent.name, []):
            yield f"done_mark: {path.parent.name} has a done.json without its effects"


# -- bare time -------------------------------------------------------------------------------


def true_bare_seconds(evidence: Evidence, product: str) -> float:
    """Return for how long more than dust was under no stop, from orders and fills alone."""
    exchange, rules = evidence.exchange, evidence.rules[product]
    stops = [o for o in exchange.orders if o.product == product and _is_stop(o)]
    fills = sorted((f for f in exchange.fills if f.product == product), key=lambda f: f.at)
    changes = [*(f.at for f in fills), *(at for _, _, at in evidence.moved)]
    moments = sorted({exchange.now, *_moments(evidence, stops, changes)})
    seconds = 0.0
    for begin, end in itertools.pairwise(moments):
        done = [f for f in fills if f.at <= begin]
        total = sum((f.size if f.side == "BUY" else -f.size for f in done), ZERO)
        total += evidence.moved_until(product.split("-")[0], begin)
        covered = ZERO
        for stop in stops:
            if stop.created <= begin < _end(evidence, stop):
                sold = sum((f.size for f in done if f.order_id == stop.order_id), ZERO)
                covered += stop.size - sold
        price = min((s.limit for s in stops if s.limit), default=ZERO)
        if not rules.is_dust(rules.floored(total) - covered, price):
            seconds += (end - begin).total_seconds()
    return seconds


def _is_stop(order: Order) -> bool:
    """Whether an order protects while it rests, whoever placed it."""
    return order.stop is not None and order.side == "SELL" and order.stops_falling


def _moments(
    evidence: Evidence, stops: Sequence[Order], fills: Iterable[dt.datetime]
) -> Iterator[dt.datetime]:
    yield from fills
    for stop in stops:
        yield stop.created
        yield min(_end(evidence, stop), evidence.exchange.now)


def _end(evidence: Evidence, stop: Order) -> dt.datetime:
    triggered = evidence.triggered.get(stop.client_id)
    if triggered is not None:
        return triggered
    if not stop.is_live:
        return stop.last_update
    return evidence.exchange.now + dt.timedelta(days=1)


def reported_bare_seconds(evidence: Evidence, product: str) -> float:
    """Return what the ledger says of it; a clock that still runs counts until now."""
    since: dt.datetime | None = None
    seconds = 0.0
    for line in evidence.lines:
        if line.get("product") != product:
            continue
        if line["kind"] == "bare" and since is None:
            since = _time(line["since"])
        elif line["kind"] == "covered" and since is not None:
            until = _time(line.get("until", line["at"]))
            seconds += max((until - since).total_seconds(), 0.0)
            since = None
    if since is not None:
        seconds += (evidence.exchange.now - since).total_seconds()
    return seconds


def _bare_time(evidence: Evidence) -> Iterator[str]:
    if not evidence.ledger_is_whole:
        return
    products = {order.product for order in evidence.exchange.orders if order.is_own}
    for product in sorted(products):
        true = true_bare_seconds(evidence, product)
        reported = reported_bare_seconds(evidence, product)
        if true > reported + 0.001:
            yield f"bare_time: {product}: {true:.3f} s in truth, {reported:.3f} s reported"


def worst_bare_seconds(evidence: Evidence) -> float:
    products = {order.product for order in evidence.exchange.orders if order.is_own}
    return max((true_bare_seconds(evidence, product) for product in products), default=0.0)


# -- money -----------------------------------------------------------------------------------


def _money(evidence: Evidence) -> Iterator[str]:
    exchange = evidence.exchange
    cash = exchange.cash_by_fills(evidence.cash + evidence.moved_until("USD"))
    # What an amount of money buys has more digits than a decimal of 28 holds.
    if abs(exchange.cash - cash) > CRUMB or exchange.cash < 0:
        yield f"money: cash is {exchange.cash}, fills and fees leave {cash}"
    for product in {order.product for order in exchange.orders}:
        units = exchange.held_by_fills(product) + evidence.moved_until(product.split("-")[0])
        if exchange.held(product) != units:
            yield f"money: {product}: {exchange.held(product)} held, fills leave {units}"
