"""
Bad input: one clear message, the right exit code, and nothing changed.

Each message is read as the person who is woken by it would: it must name the file, ticker, line,
key or order it is about, say what was wanted and what came, and be one error, not a traceback.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.app.profile import FEW_UNIVERSE, MakeProfile, Profile, command, must_end, simulator, tree
from tests.app.remote import closed_port, to_remote
from tests.oracle.exchange_state import changing, read_exchange, requests

DAY = "2024-03-01"
HISTORY = 420
REAL = {"base_url": None, "ca_file": None}
LIVE_ALONE = ("or to the real exchange under --profile live", "Nothing was sent")


def write_candles(folder: Path, tickers: list[str], last: dt.date) -> None:
    """Write a candle folder, made up day by day without chance."""
    folder.mkdir(exist_ok=True)
    for number, ticker in enumerate(tickers):
        lines, close = ["date,open,high,low,close,volume"], 100.0 + number
        for day in range(HISTORY):
            date = last - dt.timedelta(days=HISTORY - day - 1)
            open_ = close
            close = open_ * (1.01 if (day + number) % 7 else 0.96)
            high, low = max(open_, close) * 1.01, min(open_, close) * 0.99
            lines.append(f"{date},{open_:.4f},{high:.4f},{low:.4f},{close:.4f},1000")
        (folder / f"{ticker}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="session")
def candle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a candle folder of four tickers that ends on the day before the first of March."""
    folder = tmp_path_factory.mktemp("candles")
    write_candles(folder, FEW_UNIVERSE["tickers"], dt.date(2024, 2, 29))
    return folder


@pytest.fixture
def candles(candle_folder: Path, tmp_path: Path) -> Path:
    """Return a copy of that folder to spoil."""
    return shutil.copytree(candle_folder, tmp_path / "candles")


@pytest.fixture
def on_candles(candles: Path, make_profile: MakeProfile) -> Profile:
    """Return a profile whose market is that folder."""
    return make_profile(exchange={"candles": str(candles)})


def nothing_sent(profile: Profile) -> bool:
    """Whether no changing request was made and no order exists."""
    file = profile.state / "exchange.sqlite"
    has_orders = file.exists() and bool(read_exchange(file).orders)
    return not has_orders and profile.changed() == []


def spoil(path: Path, number: int, change: Callable[[list[str]], list[str]]) -> None:
    """Change one line of a candle file; `number` counts from 1, the header included."""
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[number - 1] = ",".join(change(lines[number - 1].split(",")))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


# -- parameters ------------------------------------------------------------------------------------


def all_in(ticker: str) -> dict[str, Any]:
    """Return sleeves with nine tenths in one ticker."""
    return {"sleeves": {"All": {"weight": 0.9, "tickers": [ticker]}}}


@pytest.mark.parametrize(
    ("sections", "parts"),
    [
        (
            {"risk_and_sizing": {"atr_multiplyer": 2.0}},
            ("risk_and_sizing.atr_multiplyer: unknown key", "did you mean 'atr_multiplier'?"),
        ),
        ({"universe": FEW_UNIVERSE | all_in("X-USD")}, ("universe", "in no sleeve")),
        (
            {"universe": {"tickers": ["BTC-USD"]} | all_in("BTC-USD")},
            ("universe: sleeve weights must sum to 1, they sum to 0.9",),
        ),
        (
            {"execution_and_costs": {"notional_threshold_pct": "ten"}},
            ("execution_and_costs.notional_threshold_pct: got 'ten'", "number"),
        ),
        (
            {"risk_and_sizing": {"cash_buffer_percentage": 1.5}},
            ("risk_and_sizing.cash_buffer_percentage: got 1.5", "less than 1"),
        ),
    ],
)
def test_bad_parameters(make_profile: MakeProfile, sections: Any, parts: Any) -> None:
    """Exit 2 before anything else: not even a folder is made."""
    profile = make_profile(**sections)

    said = must_end(profile.run(DAY), 2)

    assert said.startswith(f"error: {profile.config}: ")
    assert all(part in said for part in parts), said
    assert not profile.runs.exists()


def test_parameter_file_that_is_not_there(tmp_path: Path) -> None:
    """Named with its whole path."""
    code, said = Profile(tmp_path / "lost.yaml", tmp_path / "runs").run(DAY)

    assert (code, said) == (2, f"error: {tmp_path}/lost.yaml: there is no such parameter file\n")


def test_a_profile_that_does_not_exist(tmp_path: Path) -> None:
    """The known ones are named."""
    code, said = command("run", "--profile", "prod", "--runs", str(tmp_path / "runs"))

    assert (code, said) == (2, "error: profile must be one of demo, paper, live, got 'prod'\n")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("run", "--date", "2024-13-01"), "--date must be a day as YYYY-MM-DD, got '2024-13-01'"),
        (("run", "--profile", "demo", "--config", "x.yaml"), "--profile or --config, not both"),
        (("run", "--dates", DAY), "No such option"),
        (("runn",), "No such command"),
    ],
)
def test_bad_usage(arguments: tuple[str, ...], part: str) -> None:
    """Exit 2, whoever notices."""
    said = must_end(command(*arguments), 2)

    assert part in said


# -- candles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda row: [*row[:4], "-1.5", row[5]], ("line 40", "close", "-1.5")),
        (lambda row: [row[0], row[1], "0.5", *row[3:]], ("line 40", "high", "0.5")),
        (lambda row: ["2023-02-12", *row[1:]], ("line 40", "2023-02-12")),
        (lambda row: ["2023-01-01", *row[1:]], ("line 40", "2023-01-01")),
        (lambda row: [*row[:4], "n/a", row[5]], ("line 40", "n/a")),
        (lambda row: row[:5], ("line 40",)),
    ],
    ids=["negative price", "high below low", "duplicate date", "unsorted", "text", "short row"],
)
def test_bad_candle_row(on_candles: Profile, candles: Path, change: Any, parts: Any) -> None:
    """Exit 2 with file and line; no order, no day."""
    spoil(candles / "ETH-USD.csv", 40, change)

    said = must_end(on_candles.run(DAY), 2)

    assert said.startswith("error: ")
    assert "ETH-USD.csv" in said
    assert all(part in said for part in parts), said
    assert len(said.splitlines()) == 1
    assert nothing_sent(on_candles)
    assert not on_candles.day(DAY).exists()


@pytest.mark.parametrize("content", ["", "date,open,high,low,close,volume\n"])
def test_empty_candle_file(on_candles: Profile, candles: Path, content: str) -> None:
    """Named; a file without rows is as wrong as one without anything."""
    (candles / "ADA-USD.csv").write_text(content, encoding="utf-8")

    said = must_end(on_candles.run(DAY), 2)

    assert "ADA-USD.csv" in said
    assert nothing_sent(on_candles)


def test_missing_candle_folder_and_file(on_candles: Profile, candles: Path) -> None:
    """The folder by its path, the file by its ticker."""
    (candles / "XTZ-USD.csv").unlink()
    code, said = on_candles.run(DAY)
    assert (code, "no candle file for XTZ-USD" in said) == (2, True)

    shutil.rmtree(candles)
    code, said = on_candles.run(DAY)

    assert (code, said) == (2, f"error: {candles}: there is no such candle folder\n")
    assert nothing_sent(on_candles)


@pytest.mark.parametrize(
    ("day", "part"),
    [("2022-06-01", "no usable bar before 2022-06-01"), ("2023-06-01", "too little history")],
    ids=["before any data", "too little history"],
)
def test_a_day_too_early(on_candles: Profile, day: str, part: str) -> None:
    """Exit 2; the record of the try says why, the day is not done, nothing was sent."""
    said = must_end(on_candles.run(day), 2)

    assert part in said
    assert nothing_sent(on_candles)
    assert on_candles.marks(day) == ["claimed"]
    summary = on_candles.summary(day)
    assert (summary["state"], summary["exit_code"]) == ("failed", 2)
    assert any(part in line["message"] for line in summary["errors"])
    assert not (on_candles.day(day) / "done.json").exists()


def test_bad_products_file(make_profile: MakeProfile, tmp_path: Path) -> None:
    """File and what is missing."""
    products = tmp_path / "products.csv"
    products.write_text("product_id,status\nBTC-USD,online\n", encoding="utf-8")

    said = must_end(make_profile(exchange={"products": str(products)}).run(DAY), 2)

    assert "products.csv" in said
    assert "base_increment" in said


# -- folders ---------------------------------------------------------------------------------------


def test_runs_folder_that_cannot_be_written(profile: Profile, tmp_path: Path) -> None:
    """A path under a regular file, since root may write anywhere else."""
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    blocked = Profile(profile.config, tmp_path / "file" / "runs")

    said = must_end(blocked.run(DAY), 2)

    state = f"{tmp_path}/file/runs/few/state"
    assert f"{state}: the run's state cannot be written there: Not a directory. " in said
    assert "--runs" in said

    said = must_end(blocked.call("doctor"), 1)
    assert f"FAIL  runs folder  {state}: the run's state cannot be written there" in said
    assert "ok    disk " in said
    assert "Errno" not in said


def test_a_site_that_cannot_be_written(tmp_path: Path) -> None:
    """Where the page would stand is a folder; nothing else is changed."""
    (tmp_path / "index.html" / "mine").mkdir(parents=True)

    said = must_end(command("site", "--runs", str(tmp_path)), 2)

    assert said == f"error: {tmp_path}: the index cannot be written there: Is a directory\n"
    assert [each.name for each in tmp_path.iterdir()] == ["index.html"]


def test_a_ledger_that_was_edited(profile: Profile) -> None:
    """Named with file and line; the run does not go on without its memory."""
    profile.run(DAY)
    ledger = profile.state / "ledger.jsonl"
    lines = ledger.read_text(encoding="utf-8").splitlines(keepends=True)
    ledger.write_text("".join([lines[0], "not JSON\n", *lines[1:]]), encoding="utf-8")
    sent = profile.count_requests()

    said = must_end(profile.run("2024-03-02"), 2)

    assert f"{ledger}: line 2 is not JSON" in said
    assert profile.changed(after=sent) == []


# -- exchange --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Yield a simulated exchange in a process of its own, at 2024-03-11."""
    folder = tmp_path_factory.mktemp("remote")
    with simulator(folder, "--candles", "synthetic", "--as-of", "2024-03-11") as endpoint:
        yield endpoint


@pytest.mark.usefixtures("no_waiting")
def test_exchange_that_is_down(remote: dict[str, Any], tmp_path: Path) -> None:
    """Exit 5 with address and advice, and no day begun."""
    address = f"127.0.0.1:{closed_port()}"
    profile = to_remote(tmp_path, remote, exchange={"base_url": address})

    said = must_end(profile.run(None, "--force-run"), 5)

    assert f"the exchange at {address} cannot be reached" in said
    assert "Nothing was sent" in said
    assert "resting stops stay at the exchange" in said
    assert not list(profile.folder.glob("20*"))
    assert not (profile.state / "ledger.jsonl").exists()


@pytest.mark.parametrize(
    ("sections", "code", "parts"),
    [
        (
            {"portfolio": {"name": "Savings"}},
            5,
            ("'Trend Following'", "'Savings' (portfolio.name)"),
        ),
        ({"exchange": {"ca_file": "/nowhere/ca.pem"}}, 5, ("/nowhere/ca.pem",)),
        ({"exchange": {"key_file": "/nowhere/key.json"}}, 5, ("/nowhere/key.json",)),
        ({"exchange": REAL | {"clock": "wall"}}, 5, LIVE_ALONE),
        ({"exchange": {"base_url": "exchange.example.com", "clock": "wall"}}, 5, LIVE_ALONE),
        ({"exchange": REAL | {"clock": "exchange"}}, 2, ("refused for the real host, use wall",)),
    ],
    ids=["portfolio", "certificate", "key", "the real exchange", "some host", "clock"],
)
def test_what_must_not_be_spoken_to(
    remote: dict[str, Any], tmp_path: Path, sections: Any, code: int, parts: tuple[str, ...]
) -> None:
    """Said with what is wrong, before anything is changed there; no day is begun."""
    profile = to_remote(tmp_path, remote, **sections)

    said = must_end(profile.run(None, "--force-run"), code)

    assert all(part in said for part in parts), said
    assert changing(requests(remote["log"])) == []
    assert not list(profile.folder.glob("20*"))


def test_ledger_of_another_portfolio(
    remote: dict[str, Any], profile: Profile, tmp_path: Path
) -> None:
    """A ledger that was pinned to another account: exit 5 naming both accounts."""
    profile.run(DAY)
    other = to_remote(tmp_path, remote)
    other.state.mkdir(parents=True)
    shutil.copy(profile.state / "ledger.jsonl", other.state)
    before = tree(other.state)

    said = must_end(other.run(None, "--force-run"), 5)

    assert f"belongs to portfolio {profile.ledger()[0]['portfolio_uuid']}" in said
    assert f"the key is bound to {remote['portfolio_uuid']}" in said
    assert changing(requests(remote["log"])) == []
    assert tree(other.state)["ledger.jsonl"] == before["ledger.jsonl"]


def test_certificate_of_somebody_else(remote: dict[str, Any], tmp_path: Path) -> None:
    """A host that cannot prove itself gets no key and no order."""
    with simulator(tmp_path / "other", "--candles", "synthetic") as other:
        profile = to_remote(tmp_path, remote, exchange={"ca_file": other["ca_file"]})
        said = must_end(profile.run(None, "--force-run"), 5)

    assert "certificate" in said.lower()


def test_a_date_is_not_ours_to_choose_elsewhere(remote: dict[str, Any], tmp_path: Path) -> None:
    """--date with an exchange of its own time: exit 2, nothing asked."""
    profile = to_remote(tmp_path, remote)

    said = must_end(profile.run("2024-03-11"), 2)

    assert "--date moves the embedded simulated exchange's clock" in said
    assert "exchange.kind coinbase" in said
    assert not profile.runs.exists()


# -- as cron sees it -------------------------------------------------------------------------------


def test_a_process_of_its_own_says_the_same(profile: Profile, tmp_path: Path) -> None:
    """Exit code and message through the real command line; no traceback."""
    broken = tmp_path / "broken.yaml"
    content = yaml.safe_load(profile.config.read_text(encoding="utf-8"))
    broken.write_text(yaml.safe_dump(content | {"stopps": {"ratchet": True}}), encoding="utf-8")

    line = broken.read_text(encoding="utf-8").splitlines().index("stopps:") + 1

    said = must_end(Profile(broken, profile.runs).shell("run", "--date", DAY, "--no-notebook"), 2)

    assert said == (f"error: {broken}: stopps: unknown key; did you mean 'stops'? (line {line})\n")
