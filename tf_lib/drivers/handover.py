"""Handover: what the launcher leaves for the process that trades, and what a token binds it to."""

from __future__ import annotations

import hashlib

from tf_lib.parameters import Config

SESSION_FILE = "session.json"


def config_sha256(config: Config) -> str:
    """Return what a token is bound to of the parameters."""
    return hashlib.sha256(repr(config.to_mapping()).encode()).hexdigest()
