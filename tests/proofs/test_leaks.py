"""Planted leaks: every one is found by ``tf lookahead``, by name; a market without one is clean."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.proofs.fork_server import PROJECT
from tests.proofs.leaks import CLEAN, LEAKS, look, write_market


@pytest.mark.slow
@pytest.mark.parametrize("name", [CLEAN, *LEAKS])
def test_every_leak_is_found_by_name(tmp_path: Path, name: str) -> None:
    write_market(tmp_path)
    met = look(name, tmp_path)

    assert met.findings == ()


def test_every_leak_finds_what_it_changes() -> None:
    """What was renamed cannot leak, and a proof would be silent for nothing."""
    script = "from tests.proofs.leaks import LEAKS\nfor leak in LEAKS.values(): leak.plant()"
    subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=True)

    assert len(LEAKS) >= 20
