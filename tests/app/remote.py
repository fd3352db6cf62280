"""Profiles that trade on an exchange found by its address."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from tests.app.profile import FEW_UNIVERSE, Profile, write_parameters


def to_remote(folder: Path, endpoint: dict[str, Any], **sections: Any) -> Profile:
    """Return a profile of kind `coinbase` for a simulated exchange in another process."""
    exchange = {name: endpoint[name] for name in ("base_url", "ca_file", "key_file")}
    exchange = {"kind": "coinbase", "clock": "exchange"} | exchange | sections.pop("exchange", {})
    parameters = {"universe": FEW_UNIVERSE, "exchange": exchange} | sections
    return Profile(write_parameters(folder / "remote.yaml", **parameters), folder / "runs")


def closed_port() -> int:
    """Return a port of this machine on which nobody listens."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])
