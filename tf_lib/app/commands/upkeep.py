"""Upkeep by hand: `protect` and `release`, under the same lock and arming as a run."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tf_lib.app.commands.protect import protect_holdings
from tf_lib.app.connection import (
    EXCHANGE_FILE,
    Connection,
    connect,
    has_own_clock,
    key_file_problem,
    open_place,
)
from tf_lib.app.daily.session import Rows
from tf_lib.app.launch.finish import failures
from tf_lib.app.options import RunOptions
from tf_lib.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_UNPROTECTED,
    ExchangeError,
    ParameterError,
    PreflightRefused,
)
from tf_lib.exchange.clock import wall_now
from tf_lib.exchange.coinbase.endpoint import REAL_HOST
from tf_lib.exchange.patience import Patience
from tf_lib.notify.mail_file import mail_file_problems
from tf_lib.parameters import Config
from tf_lib.project import default_runs
from tf_lib.safety import epoch
from tf_lib.safety.arming import ArmedFor
from tf_lib.safety.ledger_rescue import unreadable
from tf_lib.safety.lock import portfolio_lock, state_lock
from tf_lib.safety.session_file import arm_here, config_sha256
from tf_lib.store.files import append_json_line
from tf_lib.store.ledger import FILE_NAME, Ledger
from tf_lib.store.run_folder import ProfileFolder, RunLogs


def protect_command(profile: str | None, config: Path | None, runs: Path | None) -> int:
    """Cover everything that is held; exit 3 names what stays unprotected."""
    name, parameters, folder = profile_of(profile, config, runs)
    if never_ran(parameters, folder):
        print("0 held, 0 unprotected: this profile never ran")
        return EXIT_DONE
    with state_lock(folder.state, kind="protect"):
        rows = protect_profile(name, parameters, folder, kind="protect")
    bare = failures(rows)
    line = {"at": wall_now().isoformat(), "event": "protect", "held": len(rows), "bare": len(bare)}
    append_json_line(folder.state / "heartbeat.jsonl", line)
    print(f"{len(rows)} held, {len(bare)} unprotected")
    spoilt = unreadable(folder.state, wall_now)
    for problem in spoilt:
        print(f"ALARM {problem}")
    if bare:
        return EXIT_UNPROTECTED
    return EXIT_FAILED if spoilt else EXIT_DONE


def protect_profile(name: str, config: Config, folder: ProfileFolder, *, kind: str) -> Rows:
    """Cover everything that is held, under the profile's lock, and print what came of each."""
    with armed(name, config, folder, kind=kind) as connection:
        logs = RunLogs(folder.state / "protect", connection.now)
        day = connection.now().date()
        rows = protect_holdings(connection, config, folder.state, logs, day)
    for row in rows:
        print(f"{row['product']}: {row['status']}, {row['reason']}")
    return rows


def release_command(
    product: str | None,
    profile: str | None,
    config: Path | None,
    runs: Path | None,
    *,
    everything: bool = False,
) -> int:
    """Accept the holding of one product, or of every locked one, as it is now."""
    if (product is None) != everything:
        raise ParameterError("name one locked product, or give --all: tf release PRODUCT | --all")
    folder = profile_of(profile, config, runs)[2]
    with state_lock(folder.state, kind="release"):
        ledger = Ledger(folder.state / FILE_NAME, wall_now)
        locked = dict(ledger.state.locked)
        if product is not None and product not in locked:
            known = ", ".join(sorted(locked)) or "none"
            raise ParameterError(f"{product} is not locked; locked products: {known}")
        for name in sorted(locked) if product is None else [product]:
            ledger.append("released", product=name)
            print(f"{name} released; it was locked because: {locked[name]}")
        ledger.close()
    if not locked:
        print("no product is locked")
    return EXIT_DONE


def profile_of(
    profile: str | None, config: Path | None, runs: Path | None
) -> tuple[str, Config, ProfileFolder]:
    """Return a profile's name, parameters and folder, which is made if it is not there."""
    options = RunOptions(profile=profile, config=config, runs=runs or default_runs())
    name, parameters = options.load()
    folder = ProfileFolder(options.runs.resolve(), name)
    folder.prepare(on_reserve=True)
    mail = mail_file_problems(os.environ) if parameters.notifications.email else []
    for problem in filter(None, [key_file_problem(parameters), *mail]):
        print(f"warning: {problem}", file=sys.stderr)
    return name, parameters, folder


def never_ran(config: Config, folder: ProfileFolder) -> bool:
    """Whether a simulated exchange does not exist yet; only its first run chooses its day."""
    return has_own_clock(config) and not (folder.state / EXCHANGE_FILE).exists()


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
    with open_place(config, folder, _today(config, patience), patience=patience) as place:
        try:
            connection = connect(place, patience)
            uuid = connection.client.key_permissions().portfolio_uuid
        except ExchangeError as error:
            raise PreflightRefused(
                f"the exchange at {place.base_url or REAL_HOST} cannot be reached: {error}. "
                "Nothing was sent; resting stops stay at the exchange. Check the network and try "
                "again."
            ) from error
        with portfolio_lock(uuid, kind=kind):
            armed_for = ArmedFor(
                name, connection.now().date().isoformat(), config_sha256(config), uuid
            )
            arm_here(
                connection,
                folder.state,
                armed_for,
                started_under=epoch.standing(folder.state),
                allows=allows,
            )
            yield connection


def _today(config: Config, patience: Patience) -> dt.date | None:
    """Return the day an exchange of our own is moved to, or None to leave its time alone."""
    if has_own_clock(config):
        # Its time goes on by the daily run only: to protect must not move it.
        return None
    if config.exchange.kind == "paper" and config.exchange.clock == "exchange":
        from tf_lib.app.paper import paper_now

        return paper_now(config, patience).date()
    return wall_now().date()
