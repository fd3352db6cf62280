"""
Arming: a one-use token, without which nothing is sent.

The launcher makes it for one process tree, profile, day, configuration and account. The process
that sends claims it once, at its start; claimed, copied, late or found in another process tree it
is worthless. A notebook that is opened by hand finds no token and sends nothing.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tf_lib.errors import PreflightRefused
from tf_lib.project import RUN_COMMAND
from tf_lib.store.files import write_whole

TOKEN_VARIABLE = "TF_ARMING_TOKEN"
ARMING_FILE_VARIABLE = "TF_ARMING_FILE"
_LIFETIME = dt.timedelta(minutes=45)


@dataclass(frozen=True)
class ArmedFor:
    """What a token is bound to."""

    profile: str
    day: str
    config_sha256: str
    portfolio_uuid: str


class Arming:
    """
    Proof that this process may send; made only by `claim`.

    `check` is called before every changing request: the launcher must still be there, since it
    holds the lock.
    """

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._record = dict(record)

    def check(self) -> None:
        """Raise unless this process tree is still the armed one."""
        launcher = int(self._record["launcher_pid"])
        if launcher not in (os.getpid(), os.getppid()):
            raise PreflightRefused(
                f"the launcher (pid {launcher}) that armed this run is gone; nothing more is sent"
            )


def issue(folder: Path, armed_for: ArmedFor) -> dict[str, str]:
    """
    Make a token and return the environment that hands it to one child process.

    The file holds only its hash; the token itself is never on disk.
    """
    _sweep(folder)
    token = secrets.token_hex(32)
    path = folder / f"arming-{os.getpid()}-{secrets.token_hex(4)}.json"
    record = {
        **asdict(armed_for),
        "launcher_pid": os.getpid(),
        "expires": (dt.datetime.now(dt.UTC) + _LIFETIME).isoformat(),
        "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
    }
    write_whole(path, json.dumps(record))
    return {TOKEN_VARIABLE: token, ARMING_FILE_VARIABLE: str(path)}


def _sweep(folder: Path) -> None:
    """Take away what killed launchers left: it is worthless, but must not pile up."""
    oldest = time.time() - _LIFETIME.total_seconds()
    for path in folder.glob("arming-*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()


def is_offered() -> bool:
    """Whether a launcher handed this process a token."""
    return TOKEN_VARIABLE in os.environ


def claim(environment: Mapping[str, str], armed_for: ArmedFor) -> Arming:
    """
    Use up a token for exactly what it was made for.

    Raises
    ------
    PreflightRefused
        If there is none, it was claimed before, is too old, belongs to another process tree, or
        was made for another profile, day, configuration or account.
    """
    token, name = environment.get(TOKEN_VARIABLE, ""), environment.get(ARMING_FILE_VARIABLE, "")
    os.environ.pop(TOKEN_VARIABLE, None)
    os.environ.pop(ARMING_FILE_VARIABLE, None)
    if not token or not name:
        raise PreflightRefused(f"not armed: only {RUN_COMMAND} starts a run that trades")
    path = Path(name)
    claimed = path.with_suffix(".claimed")
    try:
        path.rename(claimed)
        record = json.loads(claimed.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PreflightRefused(f"the arming token was claimed before or is gone: {error}") from None
    _check(record, token, armed_for)
    claimed.unlink(missing_ok=True)
    return Arming(record)


def _check(record: Mapping[str, Any], token: str, armed_for: ArmedFor) -> None:
    digest = hashlib.sha256(token.encode()).hexdigest()
    if not secrets.compare_digest(digest, str(record.get("token_sha256", ""))):
        raise PreflightRefused("the arming token does not fit its file; nothing is sent")
    if dt.datetime.now(dt.UTC) > dt.datetime.fromisoformat(record["expires"]):
        raise PreflightRefused(f"the arming token ran out at {record['expires']}; nothing is sent")
    if int(record["launcher_pid"]) not in (os.getpid(), os.getppid()):
        raise PreflightRefused(
            f"the arming token was made by process {record['launcher_pid']} for its own child; "
            f"this is process {os.getpid()}; nothing is sent"
        )
    for name, wanted in asdict(armed_for).items():
        if record.get(name) != wanted:
            raise PreflightRefused(
                f"the run was armed for {name} {record.get(name)!r}, this is {wanted!r}; "
                "nothing is sent"
            )
