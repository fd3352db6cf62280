"""
Cover: everything that is held is put under its stop, and nothing else.

After a day that failed, by the guard, and by hand. It needs the pinned portfolio and a key that
can trade, under the same lock and arming as a run; it buys nothing, plans nothing and raises no
stop.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tf_lib.app.connection import (
    EXCHANGE_FILE,
    Connection,
    connect,
    has_own_clock,
    key_file_problem,
    open_endpoint,
)
from tf_lib.app.options import ProfileOptions
from tf_lib.core.model.client_ids import Leg, parse_client_id
from tf_lib.core.model.impediments import Impediment, ImpedimentKind
from tf_lib.core.model.run_rows import StopRow, failures
from tf_lib.errors import ExchangeError, PreflightRefused
from tf_lib.exchange.clock import wall_now
from tf_lib.exchange.patience import Patience
from tf_lib.execution.order_sender import OrderSender
from tf_lib.execution.protect_all import ProtectAll
from tf_lib.notify.mail_file import mail_file_problems
from tf_lib.parameters import Config
from tf_lib.safety import epoch
from tf_lib.safety.arming import ArmedFor
from tf_lib.safety.ledger_rescue import protection_ledger_of, unreadable
from tf_lib.safety.lock import portfolio_lock, sender_lock
from tf_lib.safety.session_file import arm_here, config_sha256
from tf_lib.store.ledger import Ledger
from tf_lib.store.run_folder import ProfileFolder, RunLogs


def opened(options: ProfileOptions) -> tuple[str, Config, ProfileFolder]:
    """Return a profile's name, parameters and folder, which is made if it is not there."""
    name, parameters, folder = options.load()
    folder.prepare(on_reserve=True)
    mail = mail_file_problems(os.environ) if parameters.notifications.email else []
    for problem in filter(None, [key_file_problem(parameters), *mail]):
        print(f"warning: {problem}", file=sys.stderr)
    return name, parameters, folder


def never_ran(config: Config, folder: ProfileFolder) -> bool:
    """Whether a simulated exchange does not exist yet; only its first run chooses its day."""
    return has_own_clock(config) and not (folder.state / EXCHANGE_FILE).exists()


def protect_profile(
    name: str, config: Config, folder: ProfileFolder, *, kind: str
) -> list[StopRow]:
    """Cover everything that is held, under the profile's lock, and print what came of each."""
    with armed(name, config, folder, kind=kind) as connection:
        logs = RunLogs(folder.state / "protect", connection.now)
        day = connection.now().date()
        rows = protect_holdings(connection, config, folder.state, logs, day)
    for row in rows:
        print(f"{row['product']}: {row['status']}, {row['reason']}")
    return rows


@contextmanager
def armed(
    name: str,
    config: Config,
    folder: ProfileFolder,
    *,
    kind: str,
    allows: Callable[[str, str], None] = lambda action, subject: None,
) -> Iterator[Connection]:
    """
    Yield a connection of this process that may send, under the portfolio's lock.

    Parameters
    ----------
    kind : str
        What the lock's holder is called.
    allows : callable
        Hears the action and client id of each changing request first, and raises to stop it.
    """
    patience = Patience(tell=lambda why: print(f"reads_fail why={why}", flush=True))
    with open_endpoint(
        config, folder, profile_day(config, patience), patience=patience
    ) as endpoint:
        try:
            connection = connect(endpoint, patience)
            uuid = connection.client.line.key_permissions().portfolio_uuid
        except ExchangeError as error:
            raise endpoint.unreachable(error, "try again") from error
        with portfolio_lock(uuid, kind=kind):
            armed_for = ArmedFor(
                name, connection.now().date().isoformat(), config_sha256(config), uuid
            )
            arm_here(
                connection.client.line,
                folder.state,
                armed_for,
                started_under=epoch.standing(folder.state),
                allows=allows,
            )
            yield connection


def only_sales(who: str, *legs: Leg) -> Callable[[str, str], None]:
    """
    Return an `allows` that lets through cancels, stops and market sales of some legs.

    Parameters
    ----------
    who : str
        Who is told off.
    """

    def allows(action: str, subject: str) -> None:
        parsed = parse_client_id(subject)
        is_sale = action in ("cancel", "create_stop_limit_sell")
        if not (is_sale or (parsed is not None and parsed.leg in legs)):
            raise PreflightRefused(f"{action} {subject}: {who} only cancels and sells")

    return allows


def profile_day(config: Config, patience: Patience) -> dt.date | None:
    """Return the day an exchange of our own is moved to; None leaves its time alone."""
    if has_own_clock(config):
        # Its time goes on by the daily run only: to protect must not move it.
        return None
    if config.exchange.kind == "paper" and config.exchange.clock == "exchange":
        from tf_lib.app.paper import paper_now

        return paper_now(config, patience).date()
    return wall_now().date()


def protect_holdings(
    connection: Connection,
    config: Config,
    state: Path,
    logs: RunLogs,
    day: dt.date,
    *,
    may_cancel_intact: bool = True,
) -> list[StopRow]:
    """
    Recover what is open and put every holding under a stop at the level that is known.

    Parameters
    ----------
    may_cancel_intact : bool
        False for the guard: a core stop that protects stays where it is.

    Returns
    -------
    list[StopRow]
        One row per holding, as in ``stop_updates``; ``failed`` means unprotected.

    Raises
    ------
    PreflightRefused
        If the key is bound to another portfolio than the ledger.
    """
    patience = Patience(tell=lambda why: logs.write("heartbeat", event="reads_fail", why=why))
    key = connection.with_patience(patience).client.line.key_permissions()
    if not key.can_trade:
        raise PreflightRefused("the key cannot trade, so nothing can be protected with it")
    # Whoever sent before is gone once this lock is ours; only then is the ledger whole.
    with sender_lock(key.portfolio_uuid, state):
        ledger = protection_ledger_of(state, connection.now)
        ledger.pin(key.portfolio_uuid)
        sender = OrderSender(
            client=connection.client,
            ledger=ledger,
            logs=logs,
            config=config,
            day=day,
            now=connection.now,
            pause=connection.pause,
            may_rebalance=False,
            may_cancel_intact=may_cancel_intact,
        )
        for problem in unreadable(state, connection.now):
            sender.impede(
                Impediment(
                    ImpedimentKind.LEDGER_UNREADABLE,
                    problem,
                    "restore the file from a backup, or move it away (docs/operations.md)",
                )
            )
        protect_all = ProtectAll(sender=sender, protect_only="protection only")
        try:
            rows = protect_all.protect_only_now()
            note_found(ledger, failures(rows))
            return rows
        finally:
            for found in protect_all.problems:
                logs.write("errors", **found)
            ledger.close()


def note_found(ledger: Ledger, unprotected: list[str]) -> None:
    """Write down what was found, where the record knew otherwise: the next start goes by it."""
    if unprotected and not ledger.state.in_doubt:
        ledger.append("unprotected", why="; ".join(unprotected))
    elif ledger.state.in_doubt and not unprotected:
        ledger.append("protected")
