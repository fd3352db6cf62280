"""The protection ledger of a day: in the summary, on disk, and the same when looked at again."""

from __future__ import annotations

import json

import pytest

from tests.app.profile import Profile, must_end
from tf_lib.app.daily.open_day import recorded_day
from tf_lib.app.record.results import PROTECTION_FILE

DAY = "2024-03-11"


def test_every_position_has_its_row(profile: Profile) -> None:
    """Distances are those of the exchange's own stops; what was bought was bare for a moment."""
    must_end(profile.run(DAY))
    exchange, summary = profile.exchange(), profile.summary(DAY)
    rows = {row["product"]: row for row in summary["protection"]}

    assert set(rows) == set(exchange.held_products)
    for product, row in rows.items():
        stops = exchange.stops(product)
        last = row["notional"] / float(exchange.held(product))
        lowest = min(float(stop.limit) for stop in stops if stop.limit is not None)
        assert row["limit_distance"] == pytest.approx(1 - lowest / last)
        assert 0 < row["stop_distance"] < row["limit_distance"] < 1
        assert row["resting_since"] >= f"{DAY}T00:01"
        assert row["verified_open_at"] >= row["resting_since"]
        assert row["bare_seconds"] == summary["bare_seconds"][product] > 0
        assert row["bare_usd_seconds"] > row["bare_seconds"]
        assert row["opens"] > 300
        assert 0 <= row["opens_beyond_limit"] <= row["opens"]


def test_looked_at_again_it_is_what_was_written(profile: Profile) -> None:
    """A finished run shows the rows of its own folder."""
    assert profile.run(DAY)[0] == 0
    written = json.loads((profile.day(DAY) / PROTECTION_FILE).read_text(encoding="utf-8"))
    day = recorded_day(profile.day(DAY))

    assert day.session.protection([], {}) == written
    (profile.day(DAY) / PROTECTION_FILE).unlink()
    assert day.session.protection([], {}) == []
