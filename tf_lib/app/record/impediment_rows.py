"""
Impediments of a day: what its decision wanted and did not get, and why.

Made from the run's folder alone, so that the list exists for a run that died half-way, for a dry
run, and for a run that is looked at again. What was noted where it was met
(``logs/impediments.jsonl``) comes on top; what holds since when is kept in
``state/impediments.json``, which guard and status read.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tf_lib.app.record.day_record import DONE_STATUSES, TRADES_COMPLETE, DayRecord
from tf_lib.core.model.account import is_withheld
from tf_lib.core.model.impediments import Impediment, ImpedimentKind, brought_together
from tf_lib.core.model.records import Reason, closed_because
from tf_lib.core.model.run_rows import OrderRow
from tf_lib.store.files import write_json
from tf_lib.text.tickers import quote_of

STATE_FILE = "impediments.json"
# A buy that came out smaller by this much was rounded, or met a price that had moved.
_SMALL_SHARE = 0.05

_WHAT_TO_DO: Mapping[ImpedimentKind, str] = {
    ImpedimentKind.LOCKED: "look at your orders and transfers of {product}; when the holding is "
    "as you want it: tf release {product}",
    ImpedimentKind.UNKNOWN_HOLDING: "look at your holding of {product} at the exchange; its stops "
    "are left as they are until its figures fit again",
    ImpedimentKind.NOT_LISTED: "see at the exchange what became of {product}; take it out of the "
    "universe, or name its new product in universe.renamed",
    ImpedimentKind.NOT_TRADABLE: "the exchange takes no orders for {product}: watch its notices, "
    "and sell by hand when it trades again if you do not want to wait for the next run",
    ImpedimentKind.NO_PRICE: "nothing, if its book fills again; else take {product} out of the "
    "universe",
    ImpedimentKind.NOT_PROTECTABLE: "nothing is bought that no stop can protect; take {product} "
    "out of the universe if it stays so",
    ImpedimentKind.BUY_REFUSED: "read the exchange's words; what it refuses every day needs the "
    "key, the account or the product to be put right at the exchange",
    ImpedimentKind.SELL_REFUSED: "read the exchange's words; sell {product} by hand if you do not "
    "want to wait for the next run",
    ImpedimentKind.NOT_DONE: "the next run decides anew; for today's trades: run again with "
    "--force-run",
    ImpedimentKind.UNPROTECTED: "tf protect; if it stays without a stop, place one or sell it by "
    "hand at the exchange",
    ImpedimentKind.NO_BUYS: "put right what it names; the next run buys again",
    ImpedimentKind.HALTED: "put right what it names; the next run trades again",
    ImpedimentKind.PAUSED: "nothing, if you still want it so; else: tf resume",
    ImpedimentKind.DATA_NOT_BELIEVED: "nothing, if its next bars are good; its stop stays as it "
    "is until then. Sell by hand if you do not want to wait",
}
_GATES = frozenset(
    {
        ImpedimentKind.LOCKED,
        ImpedimentKind.UNKNOWN_HOLDING,
        ImpedimentKind.NOT_LISTED,
        ImpedimentKind.NOT_TRADABLE,
        ImpedimentKind.NO_PRICE,
        ImpedimentKind.NOT_PROTECTABLE,
        ImpedimentKind.STOP_REFUSED,
    }
)
"""Kinds that keep a product from being traded."""


# -- what stands in the way, whatever is wanted ---------------------------------------------------


def found_in(record: DayRecord) -> list[Impediment]:
    """
    Return what kept a run from doing what its decision wants, worst known cause first.

    A gate of the strategy itself (threshold, cooldown, a breached stop) is none.
    """
    # What was noted where it was met knows more of the cause, and so stands last.
    met = (*_of_portfolio(record), *_of_products(record), *_of_stops(record), *record.noted)
    known = {one.key: one for one in met}
    for product, why in record.account.get("blocked", {}).items():
        if _gate_of(product, known) is None:
            lock = _made(ImpedimentKind.LOCKED, why, product)
            known[lock.key] = lock
    of_earlier = [] if record.earlier is None else found_in(record.earlier)
    for one in (*(one for one in of_earlier if one.wanted), *_missed(record)):
        gate = _gate_of(one.product, known) if one.kind in _GATES else None
        there = known.get(one.key) or gate or one
        known[there.key] = _wanting(there, one) if there is not one else one
    return list(known.values())


def _gate_of(product: str, known: Mapping[tuple[str, str], Impediment]) -> Impediment | None:
    """Return what is known to keep a product from being traded, under whatever name."""
    gates = (one for one in known.values() if one.product == product and one.kind in _GATES)
    return next(gates, None)


def _wanting(there: Impediment, missed: Impediment) -> Impediment:
    """Put what was wanted to what stands in its way."""
    said = "; ".join(dict.fromkeys(part for part in (there.wanted, missed.wanted) if part))
    is_exit = there.is_missed_exit or missed.is_missed_exit
    return replace(there, wanted=said, is_missed_exit=is_exit)


def _made(kind: ImpedimentKind, why: str, product: str = "", **more: Any) -> Impediment:
    todo = _WHAT_TO_DO[kind].format(product=product)
    return Impediment(kind, why, todo, product=product, **more)


def _of_portfolio(record: DayRecord) -> Iterator[Impediment]:
    halt, no_buys = record.account.get("halt"), record.account.get("no_buys")
    if halt and halt != TRADES_COMPLETE:
        yield _made(ImpedimentKind.HALTED, halt)
    if no_buys:
        yield _made(ImpedimentKind.NO_BUYS, no_buys)
    if record.account.get("paused"):
        yield _made(ImpedimentKind.PAUSED, record.account["paused"])


def _of_products(record: DayRecord) -> Iterator[Impediment]:
    """Return what keeps single products from being traded, wanted or not."""
    account = record.account
    for ticker, row in record.tickers.items():
        if not record.is_held(ticker):
            continue
        rules = account.get("products", {}).get(ticker)
        if rules is None:
            yield _made(ImpedimentKind.NOT_LISTED, "held, and no longer listed", ticker)
        elif closed_because(rules):
            yield _made(ImpedimentKind.NOT_TRADABLE, f"held, and {closed_because(rules)}", ticker)
        elif ticker not in account.get("quotes", {}):
            yield _made(ImpedimentKind.NO_PRICE, "held, and without a believable price", ticker)
        if row.get("reason") in (Reason.STALE_OR_MISSING_OHLC, Reason.UNKNOWN_SIGNAL):
            yield _made(ImpedimentKind.DATA_NOT_BELIEVED, _DATA[row["reason"]], ticker)


_DATA: Mapping[str, str] = {
    Reason.STALE_OR_MISSING_OHLC: "held, and yesterday's bar is missing or not believable",
    Reason.UNKNOWN_SIGNAL: "held, and its signal is undefined",
}


def _of_stops(record: DayRecord) -> Iterator[Impediment]:
    for row in record.stops:
        why, product = str(row.get("reason") or ""), row["product"]
        if why.startswith("holding unknown"):
            yield _made(ImpedimentKind.UNKNOWN_HOLDING, why, product)
        elif row.get("status") == "failed":
            yield _made(ImpedimentKind.UNPROTECTED, why, product)


# -- what was wanted and is not done --------------------------------------------------------------


def _missed(record: DayRecord) -> Iterator[Impediment]:
    """Return each trade that was wanted and not done, under what is known of its cause."""
    if record.account.get("halt") == TRADES_COMPLETE:
        return  # `record.earlier` has them: here every order is only withheld
    results = {row["product_id"]: row for row in record.orders}
    planned = {row["product_id"]: row for row in record.planned}
    for order in record.orders:
        yield from _of_result(record, order)
    for ticker, row in record.tickers.items():
        if ticker in results:
            continue
        if _lacks_a_stop(record, ticker, row["reason"]):
            yield _not_bought(record, ticker, row)
        elif row["trade_notional"]:
            yield from _not_ordered(record, ticker, row, is_planned=ticker in planned)


def _lacks_a_stop(record: DayRecord, ticker: str, reason: str) -> bool:
    """Whether an entry or addition was refused because no stop can be placed."""
    if reason == Reason.NOT_PROTECTABLE:
        return True
    # Its pilot was sold again for want of a stop, and that began the cooldown.
    is_given_up = ticker in record.account.get("not_protectable", ())
    is_priced = ticker in record.account.get("quotes", {})
    return reason == Reason.COOLDOWN_ACTIVE and is_given_up and is_priced


def _of_result(record: DayRecord, row: OrderRow) -> Iterator[Impediment]:
    """Judge one order of the plan by what became of it."""
    status, side, product = str(row["status"]), row["side"], row["product_id"]
    if status == "void":
        return
    if status == "done" and _is_whole(record, row):
        return
    if status in DONE_STATUSES and status != "done":
        return
    wanted = _in_money(row["reason"], float(row["notional"]), product)
    if status == "skipped" and _is_paused(record, row["reason"]):
        yield _paused(record, f"{product}: {wanted}", is_missed_exit=side == "SELL")
        return
    kind = ImpedimentKind.NOT_DONE
    if status == "refused":
        kind = ImpedimentKind.SELL_REFUSED if side == "SELL" else ImpedimentKind.BUY_REFUSED
    elif status == "given_up":
        kind = ImpedimentKind.NOT_PROTECTABLE
    why = str(row.get("note") or _RESULTS.get(status, status))
    if status == "done" and float(row["filled_size"]):
        why = f"only {row['filled_size']} of {row['base_size']} were filled ({why})"
    yield _made(kind, why, product, wanted=wanted, is_missed_exit=side == "SELL")


def _is_paused(record: DayRecord, reason: str) -> bool:
    return is_withheld(record.account.get("paused", ""), reason)


def _paused(record: DayRecord, wanted: str, *, is_missed_exit: bool) -> Impediment:
    """Return the one pause of the portfolio, with a trade that it withholds."""
    kind, why = ImpedimentKind.PAUSED, record.account["paused"]
    return _made(kind, why, wanted=wanted, is_missed_exit=is_missed_exit)


_RESULTS = {
    "unfilled": "the order ended without a fill",
    "absent": "the order never reached the exchange",
    "unsettled": "the exchange has not said what became of the order",
}


def _is_whole(record: DayRecord, row: OrderRow) -> bool:
    """Whether what an order left undone is too little to speak of."""
    planned, filled = float(row["base_size"]), float(row.get("filled_size") or 0)
    left = planned - filled
    if row["side"] == "BUY":
        return left <= _SMALL_SHARE * planned
    return record.is_of_little_worth(row["product_id"], left * float(row["reference_price"]))


def _not_ordered(
    record: DayRecord, ticker: str, row: Mapping[str, Any], *, is_planned: bool
) -> Iterator[Impediment]:
    """Return a desired trade that became no order, or whose order was never begun."""
    notional, account = float(row["trade_notional"]), record.account
    wanted = _in_money(row["reason"], notional, ticker)
    is_exit = notional < 0
    if is_exit and record.is_of_little_worth(ticker, -notional):
        return  # dust, whatever else stands in its way
    note = "" if is_planned else record.notes.get(ticker, "")
    if note and not account.get("halt") and _is_paused(record, row["reason"]):
        yield _paused(record, f"{ticker}: {wanted}", is_missed_exit=is_exit)
        return
    if not note:
        kind, why = ImpedimentKind.NOT_DONE, "the run ended before it came to this order"
    elif account.get("halt"):
        kind, why = ImpedimentKind.HALTED, account["halt"]
    elif ticker in account.get("blocked", {}):
        kind, why = ImpedimentKind.LOCKED, account["blocked"][ticker]
    elif not is_exit and account.get("no_buys"):
        kind, why = ImpedimentKind.NO_BUYS, account["no_buys"]
    elif ticker not in account.get("products", {}):
        kind, why = ImpedimentKind.NOT_LISTED, note
    elif ticker not in account.get("quotes", {}):
        kind, why = ImpedimentKind.NO_PRICE, note
    elif is_exit:
        return  # below the exchange's minimums: dust
    else:
        kind, why = ImpedimentKind.NOT_DONE, note
    scope = "" if kind in (ImpedimentKind.HALTED, ImpedimentKind.NO_BUYS) else ticker
    said = f"{ticker}: {wanted}" if not scope else wanted
    yield _made(kind, why, scope, wanted=said, is_missed_exit=is_exit)


def _not_bought(record: DayRecord, ticker: str, row: Mapping[str, Any]) -> Impediment:
    """Return an entry or addition that the gate refused for want of a stop."""
    account = record.account
    amount = float(row["target_notional"]) - float(row["current_notional"] or 0.0)
    what = Reason.ADD if row["current_notional"] else Reason.ENTER
    rules = account.get("products", {}).get(ticker)
    if account and rules is None:
        kind, why = ImpedimentKind.NOT_LISTED, "the exchange does not list it"
    elif rules is not None and (closed_because(rules) or rules.get("limit_only")):
        kind, why = (
            ImpedimentKind.NOT_TRADABLE,
            closed_because(rules) or "it takes limit orders only",
        )
    elif account and ticker not in account.get("quotes", {}):
        kind, why = ImpedimentKind.NO_PRICE, "no believable price"
    elif ticker in account.get("not_protectable", ()):
        kind, why = ImpedimentKind.NOT_PROTECTABLE, "the exchange took no stop for it"
    else:
        kind = ImpedimentKind.NOT_PROTECTABLE
        why = "a stop under so little of it would be below the exchange's minimums"
    return _made(kind, why, ticker, wanted=_in_money(what, amount, ticker))


_TRADES: Mapping[str, str] = {
    Reason.FULL_EXIT: "full exit",
    Reason.TRIM: "trim",
    Reason.ENTER: "entry",
    Reason.ADD: "addition",
}


def _in_money(reason: str, notional: float, ticker: str) -> str:
    currency = quote_of(ticker)
    return f"{_TRADES.get(reason, reason)} of {abs(notional):,.2f} {currency}"


# -- since when ----------------------------------------------------------------------------------


def impediments_of(record: DayRecord, state: Path, day: dt.date) -> tuple[Impediment, ...]:
    """
    Return what stands in the way of a run, each with the day since which it does.

    Parameters
    ----------
    state : Path
        Folder of what outlives a day.
    """
    before = standing_impediments(state)
    found = found_in(record)
    if not record.reached_account():
        # Nothing says that what stood in the way yesterday is gone.
        kept = [replace(one, wanted="", is_missed_exit=False) for one in before]
        found = [*kept, *found]
    return brought_together(found, before=before, day=day)


def standing_impediments(state: Path) -> tuple[Impediment, ...]:
    """Return the list of the last run; a file that is not there or is spoilt has none."""
    try:
        content = json.loads((state / STATE_FILE).read_text(encoding="utf-8"))
        return tuple(Impediment.from_mapping(one) for one in content["impediments"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def keep_impediments(state: Path, day: dt.date, found: Sequence[Impediment]) -> None:
    """Write the list down for the next run, the guard and status."""
    content = {"day": day.isoformat(), "impediments": [one.to_mapping() for one in found]}
    write_json(state / STATE_FILE, content)
