"""A parameter of ours that is set to nonsense takes no stop away and makes no exit of a trim."""

from __future__ import annotations

from pathlib import Path

from tests.app.profile import FEW_UNIVERSE, Profile, must_end, write_parameters
from tests.execution.conftest import HELD


def test_a_very_wide_buffer_keeps_every_stop(held: Profile, tmp_path: Path) -> None:
    """Thirty average ranges: every holding keeps its stop, and a new limit is 10 % below it."""
    stops = {"limit_buffer_atr": 30, "min_raise_bps": 0}
    config = write_parameters(tmp_path / "few.yaml", universe=FEW_UNIVERSE, stops=stops)
    wide = Profile(config, held.runs)

    must_end(wide.run("2024-03-12"))

    assert wide.wrong("2024-03-12") == []
    exchange = wide.exchange()
    assert set(exchange.held_products) >= set(HELD)
    assert all(exchange.stops(product) for product in exchange.held_products)
