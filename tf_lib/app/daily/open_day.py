"""
Opening a day: what the first cell of the notebook calls.

Armed by the launcher it is the live day; opened by anybody else it is a finished run's folder,
read only.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tf_lib.app.connection import Connection, ExchangeEndpoint, connect
from tf_lib.app.daily.day import Day
from tf_lib.app.daily.live import LiveSession
from tf_lib.app.daily.preview import PreviewSession
from tf_lib.app.daily.recorded import RecordedSession
from tf_lib.app.record.run_inputs import config_of, day_of, finished_run
from tf_lib.errors import HaltRun, StateError
from tf_lib.exchange.clock import clock_offset, wall_now
from tf_lib.exchange.patience import Patience
from tf_lib.execution.order_sender import OrderSender
from tf_lib.parameters import config_from_mapping
from tf_lib.project import RUN_COMMAND, default_runs
from tf_lib.safety import epoch
from tf_lib.safety.arming import ArmedFor, Arming, claim, is_offered
from tf_lib.safety.lock import sender_lock
from tf_lib.safety.session_file import SESSION_FILE, config_sha256
from tf_lib.store.candle_cache import CandleCache
from tf_lib.store.files import append_json_line
from tf_lib.store.ledger import LEDGER_FILE, Ledger, ledger_copy
from tf_lib.store.run_folder import ProfileFolder, RunFolder

RUN_VARIABLE = "TF_RUN_DIR"


def open_day(run_dir: str = "") -> Day:
    """
    Return the day of a run folder: live if this process was armed for it, else read only.

    Parameters
    ----------
    run_dir : str
        Folder of the run. Empty: the environment's TF_RUN_DIR, else the demo's newest run.

    Raises
    ------
    StateError
        If there is no such run to look at.
    PreflightRefused
        If a token is offered that was not made for exactly this run.
    """
    if is_offered() and run_dir:
        return armed_day(Path(run_dir), os.environ.copy())
    return recorded_day(_chosen(run_dir))


def _chosen(run_dir: str) -> Path:
    name = run_dir or os.environ.get(RUN_VARIABLE, "")
    if name:
        return Path(name)
    demo = ProfileFolder(default_runs(), "demo")
    days = [day for day in demo.days() if (day / "inputs" / "account.json").is_file()]
    if not days:
        raise StateError(
            f"there is no run under {demo.path} yet. Make one with {RUN_COMMAND}, "
            "or name a run's folder in the parameter run_dir."
        )
    return days[-1]


def recorded_day(path: Path) -> Day:
    """Return a finished run as a day that only reads its own folder."""
    if not path.is_dir():
        raise StateError(f"{path}: there is no such run folder")
    config = config_of(path)
    folder = finished_run(path)
    day = day_of(folder)
    return Day(day, config, RecordedSession(folder), folder, writes=False)


def armed_day(
    path: Path,
    environment: Mapping[str, str],
    *,
    shared: tuple[Connection, Ledger] | None = None,
) -> Day:
    """
    Return the live day of a run that the launcher prepared, using up its token.

    A dry run gets the same day whose executor only previews.

    Parameters
    ----------
    shared : pair of Connection and Ledger, optional
        The launcher's own, when the steps are done in its process: one connection and one
        reading of the ledger serve both. A dry run works on a copy of the ledger all the same.
    """
    folder = finished_run(path)
    session = folder.read_json(SESSION_FILE)
    config = config_from_mapping(session["config"], source=str(path / SESSION_FILE))
    armed_for = ArmedFor(
        session["profile"], session["day"], config_sha256(config), session["portfolio_uuid"]
    )
    arming = claim(environment, armed_for)
    endpoint, state = ExchangeEndpoint.from_mapping(session["place"]), Path(session["state"])
    patience = Patience.from_mapping(session["patience"], tell=_teller(path))
    if session["is_dry"]:
        connection = connect(endpoint, patience)
        ledger = Ledger(ledger_copy(state / LEDGER_FILE, path / ".dry_state"), connection.now)
        close = _both(ledger.close, connection.client.line.close)
        return _live(path, session, connection, _guard(arming, session), ledger, close)
    lock = sender_lock(session["portfolio_uuid"], state)
    try:
        guard = _guard(arming, session)
        if shared is not None:
            connection, ledger = shared
            close = ledger.close
        else:
            connection = connect(endpoint, patience)
            ledger = Ledger(state / LEDGER_FILE, connection.now)
            close = _both(ledger.close, connection.client.line.close)
        return _live(path, session, connection, guard, ledger, _both(close, lock.release))
    except BaseException:
        lock.release()
        raise


def _teller(path: Path) -> Callable[[str], None]:
    """Return what writes into the run's record that the exchange does not answer."""

    def tell(why: str) -> None:
        line = {"at": wall_now().isoformat(), "event": "reads_fail", "why": why}
        append_json_line(path / "logs" / "heartbeat.jsonl", line, durable=False)

    return tell


def _live(
    path: Path,
    session: Mapping[str, Any],
    connection: Connection,
    guard: Callable[[str, str], None],
    ledger: Ledger,
    close: Callable[[], None],
) -> Day:
    """Put a day together from its parts."""
    config = config_from_mapping(session["config"], source=str(path / SESSION_FILE))
    line = connection.client.line
    line.before_send = guard
    folder = RunFolder(path, now=connection.now)
    sender = OrderSender(
        client=connection.client,
        ledger=ledger,
        logs=folder.logs,
        config=config,
        day=dt.date.fromisoformat(session["day"]),
        now=connection.now,
        pause=connection.pause,
    )
    made: dict[str, Any] = {
        "sender": sender,
        "cache": CandleCache(Path(session["state"]) / "candles"),
        "clock_offset": lambda: 0.0 if _own_clock(session) else clock_offset(line),
        "protect_only": session["protect_only"],
    }
    executor = PreviewSession(**made) if session["is_dry"] else LiveSession(**made)
    return Day(sender.day, config, executor, folder, close=close)


def _both(first: Callable[[], None], second: Callable[[], None]) -> Callable[[], None]:
    def close() -> None:
        try:
            first()
        finally:
            second()

    return close


def _guard(arming: Arming, session: Mapping[str, Any]) -> Callable[[str, str], None]:
    """Return what is asked before each changing request."""
    state, started_under = Path(session["state"]), int(session["epoch"])

    def check(action: str, subject: str) -> None:
        if session["is_dry"]:
            raise HaltRun(f"a dry run sends nothing, but {action} {subject} was about to be sent")
        arming.check()
        epoch.check(state, started_under)

    return check


def _own_clock(session: Mapping[str, Any]) -> bool:
    """An exchange whose time we take as ours cannot be off."""
    return bool(session["place"]["clock"] == "exchange")
