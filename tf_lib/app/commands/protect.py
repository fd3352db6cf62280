"""
Protect: cover what is held, and nothing else.

Runs after a day that failed, and by hand. It needs the pinned portfolio and a key that can
trade; it buys nothing, plans nothing and raises no stop.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from tf_lib.app.connection import Connection
from tf_lib.app.daily.session import Rows
from tf_lib.app.launch.finish import failures
from tf_lib.core.model.impediments import Impediment, ImpedimentKind
from tf_lib.errors import PreflightRefused
from tf_lib.exchange.patience import Patience
from tf_lib.execution.order_sender import Desk
from tf_lib.execution.protect_all import Protecting
from tf_lib.parameters import Config
from tf_lib.safety.ledger_rescue import protection_ledger_of, unreadable
from tf_lib.safety.lock import sender_lock
from tf_lib.store.ledger import Ledger
from tf_lib.store.run_folder import RunLogs


def protect_holdings(
    connection: Connection,
    config: Config,
    state: Path,
    logs: RunLogs,
    day: dt.date,
    *,
    may_cancel_intact: bool = True,
) -> Rows:
    """
    Recover what is open and put every holding under a stop at the level that is known.

    Parameters
    ----------
    may_cancel_intact : bool
        False for the guard: a core stop that protects stays where it is.

    Returns
    -------
    Rows
        One row per holding, as in ``stop_updates``; ``failed`` means bare.

    Raises
    ------
    PreflightRefused
        If the key is bound to another portfolio than the ledger.
    """
    patience = Patience(tell=lambda why: logs.write("heartbeat", event="reads_fail", why=why))
    key = connection.with_patience(patience).client.key_permissions()
    if not key.can_trade:
        raise PreflightRefused("the key cannot trade, so nothing can be protected with it")
    # Whoever sent before is gone once this lock is ours; only then is the ledger whole.
    with sender_lock(key.portfolio_uuid, state):
        ledger = protection_ledger_of(state, connection.now)
        ledger.pin(key.portfolio_uuid)
        desk = Desk(
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
            desk.impede(
                Impediment(
                    ImpedimentKind.LEDGER_UNREADABLE,
                    problem,
                    "restore the file from a backup, or move it away (docs/operations.md)",
                )
            )
        hands = Protecting(desk=desk, protect_only="protection only")
        try:
            rows = hands.protect_only_now()
            _note_found(ledger, failures(rows))
            return rows
        finally:
            for found in hands.problems:
                logs.write("errors", **found)
            ledger.close()


def _note_found(ledger: Ledger, unprotected: list[str]) -> None:
    """Write down what was found, where the record knew otherwise: the next start goes by it."""
    if unprotected and not ledger.state.in_doubt:
        ledger.append("unprotected", why="; ".join(unprotected))
    elif ledger.state.in_doubt and not unprotected:
        ledger.append("protected")
