"""`runs`, `show`, `compare`, `config show`, `replay --all`: what the days left, in the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.app.profile import Profile, after_days, command, must_end, write_parameters
from tf_lib.store.files import write_json

THREE = ("2024-03-08", "2024-03-11", "2024-03-18")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """Return a profile with three days, of which the last was run twice."""
    profile = after_days(write_parameters(tmp_path_factory.mktemp("ran") / "demo.yaml"), *THREE)
    must_end(profile.run(THREE[-1], "--force-run"))
    return profile


def test_runs_are_listed_oldest_first(ran: Profile) -> None:
    """Each with what its summary says; an earlier attempt stands beside its day."""
    rows = json.loads(must_end(ran.call("runs", "--json")))

    assert [(row["date"], row["kind"]) for row in rows] == [
        (THREE[0], "day"),
        (THREE[1], "day"),
        (THREE[2], "day"),
        (THREE[2], "earlier attempt"),
    ]
    summary = ran.summary(THREE[0])
    assert (rows[0]["equity"], rows[0]["state"]) == (summary["equity"], "done")
    assert rows[0]["orders"] == len(summary["orders"])
    lines = must_end(ran.call("runs", "--last", "2")).splitlines()
    assert [line[:10] for line in lines] == [THREE[2], THREE[2]]


def test_a_run_that_cannot_be_read_is_listed_with_its_problem(ran: Profile) -> None:
    """It must not vanish from the list."""
    spoilt = ran.folder / "2024-03-20"
    spoilt.mkdir()
    try:
        row = json.loads(must_end(ran.call("runs", "--last", "1", "--json")))[0]
    finally:
        spoilt.rmdir()

    assert (row["date"], row["state"]) == ("2024-03-20", "unreadable")
    assert row["problem"]


@pytest.mark.parametrize("day", [THREE[1], "last"])
def test_a_day_is_shown_as_its_mail_says_it(ran: Profile, day: str) -> None:
    """With its record's place."""
    said = must_end(ran.call("show", day))

    name = THREE[-1] if day == "last" else day
    assert said.startswith(f"DONE {name} [tf demo]")
    assert said.endswith(f"record: {ran.day(name)}\n")


@pytest.mark.parametrize(
    "words",
    [
        ("show", "2024-03-09"),
        ("show", "20240311"),
        ("compare", "last", "2024-03-09"),
        ("compare", "last", "./nothere"),
        ("runs", "--last", "0"),
        ("replay", "--last", "0"),
        ("replay", "last", "--all"),
        ("prune", "--keep", "a year"),
    ],
)
def test_what_is_not_there_is_refused(ran: Profile, words: tuple[str, ...]) -> None:
    """Exit 2 and a line; nothing else happens."""
    assert ran.call(*words)[0] == 2


def test_days_are_compared_by_money_decisions_and_parameters(ran: Profile, tmp_path: Path) -> None:
    """What differs and nothing else; a day differs in nothing from itself."""
    said = must_end(ran.call("compare", THREE[0], THREE[1]))

    one, other = ran.summary(THREE[0]), ran.summary(THREE[1])
    assert f"equity: {one['equity']:,.2f}  |  {other['equity']:,.2f}" in said
    assert "parameter" not in said
    assert "the same parameters" in must_end(ran.call("compare", "last", THREE[2]))

    changed = tmp_path / THREE[0]
    changed.mkdir()
    for name in ("plan.json", f"daily_summary_{THREE[0]}.json"):
        (changed / name).write_bytes((ran.day(THREE[0]) / name).read_bytes())
    parameters = yaml.safe_load((ran.day(THREE[0]) / "config.yaml").read_text())
    parameters["stops"]["ratchet"] = False
    (changed / "config.yaml").write_text(yaml.safe_dump(parameters))
    said = must_end(ran.call("compare", THREE[0], str(changed)))
    assert said.splitlines()[1:] == ["parameter stops.ratchet: True  |  False"]


def test_all_days_are_replayed_by_the_installed_code(ran: Profile) -> None:
    """Exit 0 where every decision is the same; else which would be others, and by how much."""
    said = must_end(ran.call("replay", "--all"))
    assert said.splitlines()[-1] == "3 of 3 days decide the same, 0 differ"

    plan = ran.day(THREE[1]) / "plan.json"
    content = plan.read_bytes()
    record = json.loads(content)
    ticker = next(iter(record["decision"]["tickers"]))
    record["decision"]["tickers"][ticker]["target_notional"] += 1_000.0
    plan.chmod(0o600)
    write_json(plan, record)
    try:
        code, said = ran.call("replay", "--last", "2")
    finally:
        plan.write_bytes(content)

    assert code == 1
    assert f"{THREE[1]}  DIFFERS" in said
    assert f"  {ticker}: target " in said


def test_nothing_to_replay(make_profile: Callable[..., Profile]) -> None:
    """A profile that never ran: exit 2."""
    assert make_profile().call("replay", "--all")[0] == 2


def test_each_parameter_is_shown_with_the_file_that_sets_it(tmp_path: Path) -> None:
    """Its own file, the one it extends, or none; what lets somebody in is masked."""
    url = "https://hc-ping.example/6b1c3a54-1f6a-4e0e-9a57-0d9c6a0f77aa"
    mine = write_parameters(
        tmp_path / "mine.yaml", stops={"ratchet": True}, notifications={"ping_url": url}
    )

    said = must_end(command("config", "show", "--json", "--config", str(mine)))
    found = json.loads(said)

    assert found["stops.ratchet"] == {"value": True, "from": f"{mine}:5"}
    assert found["exchange.kind"]["from"].split("/")[-1].startswith("demo.yaml:")
    assert found["stops.min_raise_bps"]["from"] == "default"
    assert found["notifications.ping_url"]["value"] == "(set, not shown)"
    assert "hc-ping" not in said + must_end(command("config", "show", "--config", str(mine)))
