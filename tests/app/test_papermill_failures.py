"""A run through papermill that fails: notebook with its error, protection outside, exit code."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import psutil
import pytest

from tests.app.profile import FAULTS, MakeProfile, Profile, command, going_wrong, must_end

DAY_BEFORE, DAY = "2024-03-05", "2024-03-11"


@pytest.fixture
def held(make_profile: MakeProfile) -> Profile:
    """Return a profile that holds something under its stop."""
    profile = make_profile(exchange=FAULTS)
    assert profile.run(DAY_BEFORE)[0] == 0
    assert profile.exchange().held_products
    return profile


def through_papermill(profile: Profile) -> tuple[int, str]:
    return command("run", *profile.options(), "--date", DAY)


def test_failed_cell(held: Profile) -> None:
    """The cell's error is in the notebook and on the page; the holding stays protected."""
    # The launcher reads it once; the kernel gives up once the gate is closed.
    rule = {"kind": "status", "status": 500, "endpoint": "GET /portfolios", "calls": ["2-999"]}
    with going_wrong(held, rule):
        said = must_end(through_papermill(held), 1)

    notebook = json.loads((held.day(DAY) / "daily_run.ipynb").read_text(encoding="utf-8"))
    outputs = [o for cell in notebook["cells"] for o in cell.get("outputs", [])]
    (error,) = [o for o in outputs if o["output_type"] == "error"]
    assert "/portfolios" in error["evalue"]
    assert (held.day(DAY) / "report.html").exists()
    summary = held.summary(DAY)
    assert (summary["state"], summary["exit_code"]) == ("failed", 1)
    assert any("/portfolios" in line["message"] for line in summary["errors"])
    assert "protected holdings=" in said
    assert held.marks(DAY) == ["claimed"]
    assert not (held.day(DAY) / "done.json").exists()
    assert held.exchange().held_products
    assert held.exchange().wrong_with(held.rules(DAY_BEFORE), {}) == []

    assert held.run(DAY)[0] == 0
    assert held.wrong(DAY) == []
    assert held.marks(DAY)[-1] == "done"
    (kept,) = (held.folder / "attempts").iterdir()
    assert (kept / "daily_run.ipynb").exists()


def kill_kernel(after: Callable[[], bool]) -> threading.Thread:
    """Kill the kernel of this process by SIGKILL once something has happened."""

    def wait_and_kill() -> None:
        for _ in range(600):
            if after():
                break
            time.sleep(0.1)
        for child in psutil.Process().children(recursive=True):
            if any("ipykernel" in word for word in child.cmdline()):
                child.kill()

    thread = threading.Thread(target=wait_and_kill)
    thread.start()
    return thread


def test_killed_kernel(held: Profile) -> None:
    """In the middle of a step: no hang, exit 1, protected, and the next run finishes the day."""
    asked = held.count_requests()
    rule = {"kind": "slow", "seconds": 20, "endpoint": "GET /transaction_summary", "calls": [1]}

    def has_asked() -> bool:
        text = held.request_log.read_text(encoding="utf-8")
        return any("/transaction_summary" in x for x in text.splitlines()[asked:])

    with going_wrong(held, rule):
        killer = kill_kernel(has_asked)
        code, said = through_papermill(held)
        killer.join()

    assert code == 1, said
    assert (held.day(DAY) / "daily_run.ipynb").exists()
    assert held.marks(DAY) == ["claimed"]
    assert held.exchange().wrong_with(held.rules(DAY_BEFORE), {}) == []
    assert held.run(DAY)[0] == 0
    assert held.wrong(DAY) == []
