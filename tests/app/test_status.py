"""`status` and `doctor`: what a person asks first."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pandas as pd
import pytest

from tests.app.profile import MakeProfile, Profile, must_end, simulator, tree
from tests.app.remote import to_remote
from tests.oracle.exchange_state import changing, requests

DAY = "2024-03-11"


def status(profile: Profile) -> dict[str, object]:
    said = must_end(profile.call("status", "--json"))
    found: dict[str, object] = json.loads(said)
    return found


def test_status_before_the_first_run(profile: Profile) -> None:
    """Says so and what to do, makes no folder."""
    said = must_end(profile.call("status"))

    assert f"never ran. Start with scripts/run_papermill.sh --config {profile.config}" in said
    assert f"--runs {profile.runs}: there is no such folder" in said
    assert not profile.runs.exists()
    profile.runs.mkdir()
    assert status(profile)["state"] == "never ran"


def test_status_after_a_good_day(profile: Profile) -> None:
    """The figures of the summary, a line per position with its stop; it asks nobody."""
    profile.run(DAY)
    asked, before = profile.count_requests(), tree(profile.folder)
    summary, found = profile.summary(DAY), status(profile)

    assert found["last_day"] == DAY
    assert (found["state"], found["exit_code"], found["done"]) == ("done", 0, True)
    for name in ("equity", "cash", "positions"):
        assert found[name] == summary[name]
    stops = {order["product"] for order in found["open_orders"]}  # type: ignore[attr-defined]
    assert stops == set(summary["positions"])
    said = profile.call("status")[1]
    for ticker, row in summary["positions"].items():
        assert f"{ticker} " in said
        assert f"stop {row['stop']}" in said
    assert profile.count_requests() == asked
    assert tree(profile.folder) == before


def test_status_lists_only_cooldowns_that_are_active(profile: Profile) -> None:
    """Those of the last seven days, and no more; the day's summary tells the same."""
    profile.run("2024-03-24")
    known, active = dict[str, str](), dict[str, str]()
    for day in ("2024-03-25", "2024-03-30", "2024-04-02"):
        profile.run(day)
        known = {x["product"]: x["start"] for x in profile.ledger() if x["kind"] == "cooldown"}
        since = str(dt.date.fromisoformat(day) - dt.timedelta(days=6))
        active = {ticker: start for ticker, start in known.items() if start >= since}

        assert active
        assert status(profile)["cooldowns"] == active
        assert profile.summary(day)["cooldowns"] == active
    assert len(active) < len(known)


def test_snapshot_counts_a_cooldown_down(profile: Profile) -> None:
    """Seven on the day it starts, none after it ended, also when a new one follows an old one."""
    for day in ("2024-03-24", "2024-03-25", "2024-03-30", "2024-04-02", "2024-04-09"):
        profile.run(day)
        cooldowns = profile.summary(day)["cooldowns"]
        table = pd.read_parquet(profile.day(day) / "snapshots" / "final.parquet")
        left = {
            ticker: 7 - (dt.date.fromisoformat(day) - dt.date.fromisoformat(start)).days
            for ticker, start in cooldowns.items()
        }

        assert {t: n for t, n in table["cooldown_counter"].items() if n} == left


def test_status_after_a_failed_day(profile: Profile) -> None:
    """What went wrong, in the words of the run."""
    profile.run("2017-06-01")
    found = status(profile)

    assert (found["state"], found["exit_code"], found["done"]) == ("failed", 2, False)
    assert "no usable bar before 2017-06-01" in profile.call("status")[1]


def test_status_of_a_day_that_did_not_finish(profile: Profile) -> None:
    """Killed before its summary: not finished."""
    profile.run(DAY)
    (profile.day(DAY) / f"daily_summary_{DAY}.json").unlink()
    (profile.day(DAY) / "done.json").unlink()

    assert status(profile)["state"] == "not finished"
    assert profile.call("status")[0] == 0


def test_status_tells_what_needs_a_person(profile: Profile) -> None:
    """A position without protection, a locked product, an order without an answer."""
    profile.run(DAY)
    path = profile.day(DAY) / f"daily_summary_{DAY}.json"
    summary = profile.summary(DAY)
    summary["positions"]["ADA-USD"] |= {"stop": None, "status": "failed"}
    path.chmod(0o600)
    path.write_text(json.dumps(summary), encoding="utf-8")
    lines = profile.ledger()
    intent = next(line for line in lines if line["kind"] == "intent")
    identity = intent["client_id"].replace("-pi1-", "-pi9-")
    with (profile.state / "ledger.jsonl").open("a", encoding="utf-8") as ledger:
        for line in (
            intent | {"client_id": identity, "ordinal": 9},
            {"kind": "locked", "product": "ETH-USD", "why": "a manual trade"},
        ):
            ledger.write(json.dumps({"seq": 0, "at": lines[-1]["at"]} | line) + "\n")

    said = profile.call("status")[1]

    assert "NO STOP  NOT PROTECTED" in said
    assert "locked until tf release: ETH-USD (a manual trade)" in said
    assert f"order {identity} of {intent['product']} is INTENDED" in said


def test_doctor_of_a_healthy_demo(profile: Profile) -> None:
    """Every check is ok; exit 0."""
    said = must_end(profile.call("doctor"))

    lines = said.splitlines()
    assert all(line.startswith("ok ") for line in lines)
    checks = {line.split()[1] for line in lines}
    assert {
        "python",
        "parameters",
        "runs",
        "disk",
        "locks",
        "exchange",
        "mail",
        "schedule",
    } <= checks


def test_doctor_finds_the_exchange_down(unanswered: Profile) -> None:
    """It and the key file that is not there fail, exit 1, the other checks go on."""
    (unanswered.config.parent / "key").unlink()

    said = must_end(unanswered.call("doctor"), 1)

    exchange, key_file = [line for line in said.splitlines() if line.startswith("FAIL")]
    assert "exchange" in exchange
    assert "/key" in exchange
    assert "key file" in key_file


def test_doctor_checks_key_portfolio_and_clock(tmp_path: Path) -> None:
    """Against an exchange elsewhere; a portfolio of another name is to be mended."""
    with simulator(tmp_path / "venue", "--candles", "synthetic") as endpoint:
        good = to_remote(tmp_path, endpoint, exchange={"clock": "wall"})
        said = must_end(good.call("doctor"))
        assert f"Trend Following ({endpoint['portfolio_uuid']}), key can view and trade" in said
        levels = {
            row["check"]: row["level"] for row in json.loads(good.call("doctor", "--json")[1])
        }
        asked = ("exchange", "holdings", "products", "fees", "answers")
        assert {levels[name] for name in asked} == {"ok"}
        assert changing(requests(endpoint["log"])) == []

        bad = to_remote(tmp_path / "bad", endpoint, portfolio={"name": "Savings"})
        said = must_end(bad.call("doctor"), 1)

    assert "'Savings'" in said


def test_doctor_names_what_a_run_would_leave_out(tmp_path: Path) -> None:
    """Cheaper fees than the account's, a product that is not listed, a run that is too long ago."""
    costs = {"maker_fee": 0.001, "taker_fee": 0.002}
    with simulator(tmp_path / "venue", "--candles", "synthetic") as endpoint:
        universe = {
            "tickers": ["BTC-USD", "NOT-USD"],
            "sleeves": {"All": {"weight": 1.0, "tickers": ["BTC-USD", "NOT-USD"]}},
        }
        profile = to_remote(tmp_path, endpoint, execution_and_costs=costs, universe=universe)
        day = profile.folder / "2024-03-11"
        day.mkdir(parents=True)

        rows = {r["check"]: r for r in json.loads(must_end(profile.call("doctor", "--json")))}

    warned = {name for name, row in rows.items() if row["level"] == "WARN"}
    assert {"fees", "products", "last runs"} <= warned
    assert "NOT-USD is not listed" in rows["products"]["said"]
    assert "0.10% and 0.20%" in rows["fees"]["said"]


def test_doctor_finds_a_package_that_is_not_the_locked_one(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody installed into the project's own environment."""
    monkeypatch.setattr(
        "importlib.metadata.Distribution.version", property(lambda found: "0.0.1"), raising=True
    )

    said = must_end(profile.call("doctor"))

    (line,) = [line for line in said.splitlines() if line[6:].startswith("packages")]
    assert line.startswith("WARN")
    assert "numpy 0.0.1 (locked" not in line  # its pin depends on the version of Python
    assert "papermill 0.0.1 (locked" in line


def test_doctor_names_the_folder_it_cannot_write(profile: Profile, tmp_path: Path) -> None:
    """A path under a regular file."""
    (tmp_path / "file").write_text("x", encoding="utf-8")

    said = must_end(Profile(profile.config, tmp_path / "file" / "runs").call("doctor"), 1)

    assert "cannot be written" in said


@pytest.mark.parametrize("name", ["status", "doctor", "protect", "guard"])
def test_commands_refuse_bad_parameters(make_profile: MakeProfile, name: str) -> None:
    """With the same message as a run."""
    said = must_end(make_profile(stops={"ratchett": True}).call(name), 2)

    assert "stops.ratchett: unknown key" in said
