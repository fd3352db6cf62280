"""
Days through papermill are the same days: same plan to the byte, same orders, same wallets.

Two busy days; the slow tests do ten real ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.app.profile import (
    BUSY_DAY,
    BUSY_UNIVERSE,
    DAY_AFTER,
    DAY_BEFORE,
    Profile,
    command,
    must_end,
    real_parameters,
    write_parameters,
)
from tests.oracle.exchange_state import ExchangeState

REAL = (
    *("2023-11-01", "2023-11-02", "2023-11-08", "2023-11-09", "2023-11-10"),
    *("2023-11-12", "2023-11-13", "2023-11-14", "2023-11-20", "2023-11-21"),
)


Twins = tuple[Profile, Profile, tuple[str, ...]]


def traded(exchange: ExchangeState) -> list[tuple[Any, ...]]:
    """Return what the exchange made of all orders, without its own times and ids."""
    names = "client_id product side size stop limit status filled value"
    return [tuple(getattr(o, name) for name in names.split()) for o in exchange.orders]


@pytest.fixture(scope="module", params=[False, pytest.param(True, marks=pytest.mark.slow)])
def twins(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Twins:
    """Return the same days done in-process and through papermill."""
    folder = tmp_path_factory.mktemp("twins")
    days: tuple[str, ...]
    if request.param:
        config, day_before, days = real_parameters(folder / "days.yaml"), "2023-10-31", REAL
    else:
        config = write_parameters(folder / "days.yaml", universe=BUSY_UNIVERSE)
        day_before, days = DAY_BEFORE, (BUSY_DAY, DAY_AFTER)
    plain = Profile(config, folder / "plain")
    # The first day makes the account, whose name comes from its place; the copy keeps it.
    must_end(plain.run(day_before))
    twin = plain.copied(folder / "notebook")
    for day in days:
        must_end(plain.run(day))
        must_end(command("run", *twin.options(), "--date", day))
    return plain, twin, days


def test_same_plan_and_same_orders(twins: Twins) -> None:
    """Judged by the bytes of plan.json and by the exchange's own state."""
    plain, twin, days = twins
    for day in days:
        assert plain.plan(day) == twin.plan(day)
        assert twin.marks(day) == ["claimed", "effects_complete", "done"]
        assert twin.wrong(day) == []
    assert traded(plain.exchange()) == traded(twin.exchange())
    assert plain.exchange().wallets == twin.exchange().wallets


def test_same_summary(twins: Twins) -> None:
    """But for run times, paths and the notebook itself."""
    plain, twin, days = twins
    told = ("equity", "cash", "tickers", "sleeves", "portfolio", "trades", "cooldowns", "rejects")
    for day in days:
        one, other = plain.summary(day), twin.summary(day)

        assert {name: one[name] for name in told} == {name: other[name] for name in told}
        assert other["errors"] == []


def test_the_record_has_notebook_and_page(twins: Twins) -> None:
    """Every code cell ran, none failed; both are listed in the done mark."""
    _, twin, days = twins
    for day in days:
        notebook = json.loads((twin.day(day) / "daily_run.ipynb").read_text(encoding="utf-8"))
        cells = [c for c in notebook["cells"] if c["cell_type"] == "code"]
        listed = {row["path"] for row in twin.json(day, "done.json")["artifacts"]}

        assert cells
        assert all(cell["execution_count"] for cell in cells)
        assert not [o for c in cells for o in c["outputs"] if o["output_type"] == "error"]
        assert {"daily_run.ipynb", "report.html"} <= listed


def test_same_replay(twins: Twins) -> None:
    """What the kernel planned is replayed here to the byte."""
    _, twin, days = twins
    folder: Path = twin.day(days[-1])

    assert command("replay", str(folder)) == (0, f"the same, byte for byte: {folder}\n")
