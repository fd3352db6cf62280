"""A component of a user's own in the daily run, replay and sweep: kept, shown, safe to fail."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.app.profile import Profile, after_days, command, must_end, write_parameters
from tests.core import custom
from tf_lib.app.commands.research.lookahead import lookahead_command
from tf_lib.parameters.user_code import sha256_of

FIRST, DAY, NEXT = "2024-03-08", "2024-03-11", "2024-03-12"


def with_example(folder: Path) -> Path:
    """Write the page's file and parameters that name it as the page does."""
    custom.write_example(folder)
    return write_parameters(folder / "demo.yaml", **yaml.safe_load(custom.shown("yaml")))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """Return a profile that has decided two days with the component."""
    return after_days(with_example(tmp_path_factory.mktemp("custom")), FIRST, DAY)


@pytest.fixture
def profile(ran: Profile, tmp_path: Path) -> Profile:
    """Return a copy of it, with parameters and component of its own to change."""
    shutil.copytree(ran.runs, tmp_path / "runs")
    return Profile(with_example(tmp_path), tmp_path / "runs")


def test_the_run_shows_and_keeps_it(ran: Profile) -> None:
    """Its column explains each decision; the file lies among what a replay needs."""
    rows = ran.lines(DAY, "desired_trades")
    kept = (ran.day(DAY) / "inputs" / "my_signals.py").read_text(encoding="utf-8")

    assert all(-0.5 <= row["custom_strength"] <= 0.5 for row in rows if row["data_ok"])
    assert kept == custom.shown("python")
    assert "inputs/my_signals.py" in ran.json(DAY, "inputs/sha256.json")


def test_a_replay_needs_the_run_alone(ran: Profile, tmp_path: Path) -> None:
    """To the byte, though the file beside the parameters says something else by now."""
    folder = shutil.copytree(ran.day(DAY), tmp_path / DAY)
    (tmp_path / "my_signals.py").write_text("raise SystemExit\n", encoding="utf-8")

    assert must_end(command("replay", str(folder))).startswith("the same, byte for byte")


@pytest.mark.parametrize(
    ("name", "code", "named"),
    [
        ("inputs/my_signals.py", 1, "inputs/my_signals.py is not the file this run wrote"),
        ("config.yaml", 2, "my_signals.py is not the file that sha256 names"),
    ],
)
def test_replay_tells_of_another_source(profile: Profile, name: str, code: int, named: str) -> None:
    """Whichever of the two places holds another text."""
    path = profile.day(DAY) / name
    text = path.read_text(encoding="utf-8")
    path.chmod(0o644)
    path.write_text(text.replace("window=90", "window=91"), encoding="utf-8")

    assert named in must_end(command("replay", str(profile.day(DAY))), code)


@pytest.mark.parametrize(
    "body", ["raise RuntimeError('no data today')", "return panel.close * np.nan"]
)
def test_one_that_fails_halts_the_run_and_stops_stand(profile: Profile, body: str) -> None:
    """Nothing is decided or sent but what covers; the run failed, and the next one finishes it."""
    before = profile.exchange()
    source = f"{custom.HEAD}def strength(panel, *, window):\n    {body}\n"
    (profile.config.parent / "my_signals.py").write_text(source, encoding="utf-8")
    said = must_end(profile.run(NEXT), 1)
    after = profile.exchange()

    assert "strength of my_signals.py" in said
    assert {o.product for o in before.orders if o.protects}
    assert [o.stop for o in after.orders if o.protects] == [
        o.stop for o in before.orders if o.protects
    ]
    assert after.cash == before.cash
    assert not (profile.day(NEXT) / "plan.json").exists()
    (error,) = [x for x in profile.lines(NEXT, "errors") if x["severity"] == "error"]
    assert (error["step"], error["kind"]) == ("compute_signals", "HaltRun")
    custom.write_example(profile.config.parent)
    must_end(profile.run(NEXT))
    assert profile.marks(NEXT)[-1] == "done"


def test_without_its_file_nothing_begins_and_the_guard_goes_on(profile: Profile) -> None:
    """The run says which file is wanted where; who protects does not need it."""
    (profile.config.parent / "my_signals.py").unlink()

    assert "my_signals.py: there is no such file" in must_end(profile.run(NEXT), 2)
    assert not profile.day(NEXT).exists()
    must_end(profile.call("guard"))
    must_end(profile.call("protect"))
    must_end(profile.call("status"))


@pytest.fixture
def research(tmp_path: Path) -> list[str]:
    """Return the options of research on made-up candles with the component."""
    from tests.core.build import SLEEVES, market
    from tests.research.test_backtest_parity import write_candles

    candles = write_candles(tmp_path / "candles", market(420))
    content: dict[str, Any] = yaml.safe_load(custom.shown("yaml"))
    content["universe"] = {"tickers": list(market(1)), "sleeves": SLEEVES}
    content["run"] = {"start_date": "2022-12-01", "end_date": "2023-02-20"}
    custom.write_example(tmp_path)
    path = write_parameters(tmp_path / "mine.yaml", **content)
    return ["--config", str(path), "--candles", str(candles)]


def test_a_sweep_never_mixes_two_versions(research: list[str], tmp_path: Path) -> None:
    """Each text is a trial of its own; weight and parameters are swept as any number."""
    grid = tmp_path / "grid.yaml"
    grid.write_text(
        "signals.custom.strength.weight: [0.0, 0.5]\n"
        "signals.custom.strength.parameters.window: [30, 60]\n",
        encoding="utf-8",
    )
    options = [*research, "--grid", str(grid), "--out", str(tmp_path / "out")]
    must_end(command("sweep", *options))
    must_end(command("sweep", *options))
    trials = tmp_path / "out" / "trials.jsonl"
    assert len(trials.read_text(encoding="utf-8").splitlines()) == 4
    first = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    path = tmp_path / "my_signals.py"
    path.write_text(path.read_text(encoding="utf-8") + "# again\n", encoding="utf-8")
    must_end(command("sweep", *options))
    second = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))

    assert len(trials.read_text(encoding="utf-8").splitlines()) == 8
    assert first["custom_signals"]["strength"]["sha256"] == sha256_of(custom.shown("python"))
    assert first["custom_signals"] != second["custom_signals"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("def strength(panel, *, window):\n    return panel.close[0]\n", "array of shape (4,)"),
        ("def strength(panel, *, window):\n    return panel.close * float('nan')\n", "says NaN"),
        ("def strength(panel):\n    return 1\n", "unexpected keyword argument 'window'"),
        ("def weakness(panel):\n    return 1\n", "has no 'strength'; it defines weakness"),
    ],
)
def test_a_backtest_refuses_what_is_no_rank(
    research: list[str], tmp_path: Path, text: str, named: str
) -> None:
    """Exit 2 with the function and its file, and nothing half-written."""
    (tmp_path / "my_signals.py").write_text(text, encoding="utf-8")
    said = must_end(command("backtest", *research, "--out", str(tmp_path / "out")), 2)

    assert named in said
    assert "my_signals.py" in said
    assert not (tmp_path / "out").exists()


def test_lookahead_names_one_that_peeks(research: list[str], tmp_path: Path) -> None:
    """With the column."""
    peeking = "    return panel.close * 0 + len(panel.close) * 1e-6\n"
    text = f"def strength(panel, *, window):\n{peeking}"
    (tmp_path / "my_signals.py").write_text(text, encoding="utf-8")
    said, passed = lookahead_command(Path(research[1]), Path(research[3]), every_days=60)

    assert not passed
    assert "custom_strength" in said.splitlines()[0]
