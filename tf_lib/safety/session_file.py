"""Handover: what the launcher leaves for the process that trades, and what a token binds it to."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from tf_lib.exchange.port import Line
from tf_lib.parameters import Config
from tf_lib.safety import epoch
from tf_lib.safety.arming import ArmedFor, claim, issue

SESSION_FILE = "session.json"


def config_sha256(config: Config) -> str:
    """Return what a token is bound to of the parameters."""
    return hashlib.sha256(repr(config.to_mapping()).encode()).hexdigest()


def arm_here(
    line: Line,
    state: Path,
    armed_for: ArmedFor,
    *,
    started_under: int | str,
    allows: Callable[[str, str], None] = lambda action, subject: None,
) -> None:
    """
    Let this process send: claim a token of its own, and ask before each changing request.

    Parameters
    ----------
    started_under : int or str
        The epoch in which this process began; another one means that somebody took over.
    allows : callable
        Hears the action and client id of each changing request first, and raises to stop it.
    """
    arming = claim({**os.environ, **issue(state, armed_for)}, armed_for)

    def check(action: str, subject: str) -> None:
        allows(action, subject)
        arming.check()
        epoch.check(state, started_under)

    line.before_send = check
