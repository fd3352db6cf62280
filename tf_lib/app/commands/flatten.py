"""
The ``flatten`` command: out of everything, or of some products, and then paused.

It looks first, says what would be sold, and asks once; then it sells under the locks and the arming
of a run, from holdings that are read again. Killed at any moment, the same command finishes it, and
the guard and the next run cover what it left (docs/execution.md section 9).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from tf_lib.app.connection import Connection, connect, open_endpoint
from tf_lib.app.launch.alarms import unsettled_alarms
from tf_lib.app.launch.cover import (
    armed,
    never_ran,
    note_found,
    only_sales,
    opened,
    profile_day,
)
from tf_lib.app.launch.flatten_session import FlattenSession, OwnHolding
from tf_lib.app.options import ProfileOptions
from tf_lib.core.model.client_ids import Leg
from tf_lib.core.model.run_rows import OrderRow, failures
from tf_lib.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_UNPROTECTED,
    ExchangeError,
    HaltRun,
    ParameterError,
    PreflightRefused,
    TfError,
    UnreadableState,
)
from tf_lib.exchange.clock import wall_now
from tf_lib.exchange.patience import Patience
from tf_lib.execution.order_sender import OrderSender
from tf_lib.parameters import Config
from tf_lib.safety.ledger_rescue import unreadable
from tf_lib.safety.lock import sender_lock, state_lock, wait_for_guard
from tf_lib.store.disk_reserve import set_aside
from tf_lib.store.files import append_json_line
from tf_lib.store.ledger import LEDGER_FILE, Ledger, ledger_copy
from tf_lib.store.run_folder import ProfileFolder, RunLogs
from tf_lib.text.tickers import base_of, quote_of

_GUARD_TAKES_SECONDS = 60.0


@dataclass(frozen=True)
class Asked:
    """What somebody wants to be out of: some products, or everything."""

    products: tuple[str, ...] = ()
    everything: bool = False

    def check(self) -> None:
        """Refuse neither and both."""
        if bool(self.products) == self.everything:
            raise ParameterError(
                "name what to be out of, or give --all: tf flatten PRODUCT... | --all"
            )

    def of(self, session: FlattenSession) -> list[str]:
        """Return the products that are meant, or refuse a name that cannot be."""
        known = session.products
        strange = [name for name in self.products if name not in known]
        if not strange:
            return known if self.everything else sorted(set(self.products))
        held = [own for own in map(session.holding_of, known) if own.units]
        raise ParameterError(
            f"{', '.join(strange)}: neither in the universe nor bought by our own orders. Held: "
            f"{', '.join(_amount(own) for own in held) or 'nothing'}. Nothing was changed."
        )


def flatten_command(asked: Asked, options: ProfileOptions, *, is_dry: bool, is_sure: bool) -> int:
    """Sell what is asked for; exit 1 if something of it was not sold, 3 if it is unprotected."""
    asked.check()
    name, config, folder = opened(options)
    if never_ran(config, folder):
        print("nothing is held: this profile never ran")
        return EXIT_DONE
    _check_readable(folder, options)
    profile = FlattenedProfile(name, config, folder)
    found, is_unfinished = profile.look(asked)
    for line in _preview(found, config, name):
        print(line, flush=True)
    if not (is_unfinished or any(own.is_wanted for own in found)):
        print("nothing to sell, nothing was changed; tf pause keeps the next run from buying")
        return EXIT_DONE
    if is_dry:
        return EXIT_FAILED if any(own.is_wanted and own.obstacle for own in found) else EXIT_DONE
    if not is_sure and not _agreed(config.portfolio.name):
        print("nothing was sold, nothing was changed")
        return EXIT_FAILED
    return profile.flatten(asked)


def _check_readable(folder: ProfileFolder, options: ProfileOptions) -> None:
    """Refuse where the record cannot be read: what is ours, and what was sold, stands in it."""
    for problem in unreadable(folder.state, wall_now):
        raise UnreadableState(
            f"{problem} Nothing was sold and nothing was changed. To be out at once: cancel the "
            "stops at the exchange by hand and sell there. Until then the stops stay, and "
            f"tf protect {options.in_words} still covers what is held."
        )


def _agreed(portfolio: str) -> bool:
    """Ask once for a word and a name that nobody types by accident."""
    if not sys.stdin.isatty():
        raise ParameterError("nobody is there to ask: say --yes to sell without being asked")
    wanted = f"flatten {portfolio}"
    return input(f"Type {wanted!r} to sell this at the market: ").strip() == wanted


@dataclass(frozen=True)
class FlattenedProfile:
    """A profile that somebody wants to be out of."""

    name: str
    config: Config
    folder: ProfileFolder
    said: list[str] = field(default_factory=list)

    def look(self, asked: Asked) -> tuple[list[OwnHolding], bool]:
        """Return what is held of what is asked for, and whether an earlier flatten is open."""
        patience = Patience(tell=_tell)
        day = profile_day(self.config, patience)
        with (
            tempfile.TemporaryDirectory(prefix="tf-flatten-") as scratch,
            open_endpoint(
                self.config, self.folder, day, copy_to=Path(scratch), patience=patience
            ) as endpoint,
        ):
            try:
                connection = connect(endpoint, patience)
                return self._seen(connection, Path(scratch), asked)
            except ExchangeError as error:
                raise endpoint.unreachable(error, "try again") from error

    def _seen(
        self, connection: Connection, scratch: Path, asked: Asked
    ) -> tuple[list[OwnHolding], bool]:
        """Look by a copy of the ledger, and send nothing."""
        connection.client.line.before_send = _send_nothing
        copy = ledger_copy(self.folder.state / LEDGER_FILE, scratch)
        ledger = Ledger(copy, connection.now)
        try:
            ledger.pin(_portfolio(connection))
            logs = RunLogs(scratch / "logs", connection.now)
            session = self._session(connection, ledger, logs, sends=False)
            session.look()
            found = [session.holding_of(name) for name in asked.of(session)]
            return found, ledger.state.flatten is not None
        finally:
            ledger.close()
            connection.client.line.close()

    def _session(
        self, connection: Connection, ledger: Ledger, logs: RunLogs, *, sends: bool
    ) -> FlattenSession:
        sender = OrderSender(
            client=connection.client,
            ledger=ledger,
            logs=logs,
            config=self.config,
            day=connection.now().date(),
            now=connection.now,
            pause=connection.pause,
            # No order of a day's plan is sent again; each sale here is of a plan of its own.
            may_rebalance=False,
        )
        return FlattenSession(sender=sender, sends=sends)

    def flatten(self, asked: Asked) -> int:
        """Sell under the locks and the arming of a run."""
        state = self.folder.state
        lock = wait_for_guard(state_lock(state, kind="flatten"), seconds=_GUARD_TAKES_SECONDS)
        try:
            set_aside(state)
            allows = only_sales("flatten", Leg.EXIT, Leg.EMERGENCY)
            with armed(
                self.name, self.config, self.folder, kind="flatten", allows=allows
            ) as connection:
                uuid = _portfolio(connection)
                with sender_lock(uuid, state):
                    ledger = Ledger(state / LEDGER_FILE, connection.now)
                    try:
                        ledger.pin(uuid)
                        return self._flatten(connection, ledger, asked)
                    finally:
                        ledger.close()
        finally:
            lock.release()

    def _flatten(self, connection: Connection, ledger: Ledger, asked: Asked) -> int:
        logs = RunLogs(self.folder.state / "flatten", connection.now)
        session = self._session(connection, ledger, logs, sends=True)
        day = session.sender.day.isoformat()
        # First, so that whatever happens now nobody buys back what is sold.
        ledger.append("paused", day=day, why="flattened by hand")
        try:
            session.look()
            wanted = session.wanted_of(asked.of(session))
            ledger.append("flatten", day=day, products=wanted)
            for row in session.sell(wanted):
                print(_sold(row), flush=True)
            left = session.left(wanted)
            return self._end(ledger, wanted, left, failures(session.protect()))
        except (TfError, KeyboardInterrupt) as error:
            return self._stopped(session, str(error) or "interrupted")
        finally:
            for found in session.problems:
                print(f"{found['severity']}: {found['message']}")
                logs.write("errors", **found)

    def _stopped(self, session: FlattenSession, why: str) -> int:
        """Cover what is held where the sale could not go on; whatever was sold is sold."""
        print(f"stopped: {why}", file=sys.stderr)
        ledger = session.sender.ledger
        try:
            unprotected = failures(session.protect_only_now())
        except TfError as error:
            unprotected = [f"not known to be protected: {error}"]
        note_found(ledger, unprotected)
        for one in unprotected:
            print(f"ALARM not protected: {one}")
        wish = ledger.state.flatten
        print(f"to finish it: {'tf flatten' if wish is None else wish.what_to_do}")
        return EXIT_UNPROTECTED if unprotected else EXIT_FAILED

    def _end(
        self,
        ledger: Ledger,
        wanted: Sequence[str],
        left: Sequence[OwnHolding],
        unprotected: list[str],
    ) -> int:
        """Write down and say what was reached."""
        kept = {own.product_id for own in left}
        ledger.append("flattened", products=[name for name in wanted if name not in kept])
        note_found(ledger, unprotected)
        unsettled = [alarm.text for alarm in unsettled_alarms(ledger)]
        line = {"at": wall_now().isoformat(), "event": "flatten", "left": sorted(kept)}
        append_json_line(self.folder.state / "heartbeat.jsonl", line | {"bare": len(unprotected)})
        for own in left:
            print(f"NOT SOLD {_amount(own)}: {own.obstacle or 'a rest of the sale'}")
        for text in [*(f"not protected: {one}" for one in unprotected), *unsettled]:
            print(f"ALARM {text}")
        wish = ledger.state.flatten
        if wish is not None:
            print(f"to finish it: {wish.what_to_do}")
        print("paused: nothing is bought until tf resume; then the next run may buy again")
        if unprotected or unsettled:
            return EXIT_UNPROTECTED
        return EXIT_FAILED if left else EXIT_DONE


def _send_nothing(action: str, subject: str) -> None:
    raise HaltRun(f"who only looks sends nothing, but {action} {subject} was about to be sent")


def _tell(why: str) -> None:
    print(f"reads_fail why={why}", flush=True)


def _portfolio(connection: Connection) -> str:
    """Return the portfolio of a key that can trade."""
    key = connection.client.line.key_permissions()
    if not key.can_trade:
        raise PreflightRefused("the key cannot trade, so nothing can be sold with it")
    return key.portfolio_uuid


# -- what is said --------------------------------------------------------------------------------


def _preview(found: Sequence[OwnHolding], config: Config, profile: str) -> list[str]:
    """Return what would be sold and what would stay, a line for each product held."""
    lines = [f"flatten {config.portfolio.name} (profile {profile}), at the market:"]
    for own in found:
        lines += [f"  {line}" for line in _lines_of(own)]
    sellable = [own for own in found if own.is_sellable]
    if not sellable:
        return lines
    worth = sum((own.worth or Decimal(0) for own in sellable), Decimal(0))
    lines.append(
        f"together about {worth:,.2f} {config.universe.quote_currency} at the last prices, less "
        "fees and slippage; then paused until tf resume"
    )
    return lines


def _lines_of(own: OwnHolding) -> list[str]:
    lines = []
    stops = ", ".join(f"{o.body['base_size']} at {o.body['stop_price']}" for o in own.stops)
    if own.is_sellable:
        cancels = f"; cancels its stops: {stops}" if stops else "; it has no stop"
        lines.append(f"sells {_amount(own)}{cancels}")
    elif own.is_wanted:
        stays = f"stays under its stops: {stops}" if stops else "has NO STOP"
        lines.append(f"NOT sold: {_amount(own)} {stays}: {own.obstacle}")
    elif own.units:
        lines.append(f"stays: {_amount(own)}, dust that cannot be sold")
    if own.theirs > 0:
        lines.append(
            f"stays: {own.theirs:f} {base_of(own.product_id)} of {own.product_id} are not ours and "
            f"are kept under a stop; to have them sold, too, first: tf release {own.product_id}"
        )
    return lines


def _amount(own: OwnHolding) -> str:
    worth = "" if own.worth is None else f", worth {own.worth:,.2f} {quote_of(own.product_id)}"
    return f"{own.product_id} {own.units:f}{worth}"


def _sold(row: OrderRow) -> str:
    """Return what became of one sale, in words."""
    price, note = row.get("average_price"), f" ({row['status']}: {row.get('note', '')})"
    if not price:
        return f"{row['product_id']}: not sold{note}"
    fees = f"{Decimal(row['fees']):,.2f} {quote_of(row['product_id'])}"
    said = f"{row['product_id']}: sold {row['filled_size']} at {price}, fees {fees}"
    return said if row["status"] == "done" else said + note
