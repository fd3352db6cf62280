"""One profile in a folder of its own, driven as a person or cron would."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.core.build import SLEEVES
from tests.oracle.exchange_state import (
    ExchangeState,
    Rules,
    changing,
    read_exchange,
    requests,
    rules_of,
)
from tests.processes import begun, end
from tf_lib.app.cli import app, run_command

PROJECT = Path(__file__).resolve().parents[2]
REAL_CANDLES = PROJECT.parent / "shared" / "candles"
REAL_PRODUCTS = PROJECT.parent / "shared" / "products_2025-10-24.csv"
REAL_UNIVERSE: dict[str, Any] = {
    "tickers": ["BTC-USD", "ETH-USD", "SOL-USD", "ADA-USD", "AVAX-USD", "DOGE-USD", "LTC-USD"],
    "sleeves": {
        "Core": {"weight": 0.6, "tickers": ["BTC-USD", "ETH-USD", "SOL-USD"]},
        "Alt": {"weight": 0.4, "tickers": ["ADA-USD", "AVAX-USD", "DOGE-USD", "LTC-USD"]},
    },
}
FEW_UNIVERSE: dict[str, Any] = {
    "tickers": ["BTC-USD", "ETH-USD", "ADA-USD", "XTZ-USD"],
    "sleeves": {
        "Core": {"weight": 0.6, "tickers": ["BTC-USD", "ETH-USD"]},
        "Alt": {"weight": 0.4, "tickers": ["ADA-USD", "XTZ-USD"]},
    },
}
BUSY_UNIVERSE: dict[str, Any] = {
    "tickers": ["ADA-USD", "ETH-USD", "FET-USD", "XTZ-USD"],
    "sleeves": {
        "Core": {"weight": 0.6, "tickers": ["ADA-USD", "ETH-USD"]},
        "Alt": {"weight": 0.4, "tickers": ["FET-USD", "XTZ-USD"]},
    },
}
MADE_UP_UNIVERSE = {"tickers": ["AAA-USD", "BBB-USD", "CCC-USD", "DDD-USD"], "sleeves": SLEEVES}
DAY_BEFORE, BUSY_DAY, DAY_AFTER = "2024-03-08", "2024-03-11", "2024-03-12"
"""On the day in the middle two are trimmed, one is entered with a pilot, one stop is raised."""
FAULTS = {"faults": "faults.yaml"}
"""The `exchange` section of a profile whose exchange can be made to go wrong (`going_wrong`)."""
COMMAND = (sys.executable, "-W", "error", "-m", "tf_lib")
Said = tuple[int, str]
Faulty = Callable[..., contextlib.AbstractContextManager[None]]


def need_real_candles() -> None:
    """Skip a test that lives on real history when there is none beside the project."""
    if not (any(REAL_CANDLES.glob("*.csv")) and REAL_PRODUCTS.exists()):
        pytest.skip("no real candles and products stand beside the project (../shared)")


def write_parameters(path: Path, **sections: Any) -> Path:
    """Write a parameter file that extends the demo, and the fault file it names; no mail."""
    content: dict[str, Any] = {"extends": str(PROJECT / "parameters" / "demo.yaml")}
    content |= {"notifications": {"email": False}} | sections
    path.parent.mkdir(parents=True, exist_ok=True)
    if faults := content.get("exchange", {}).get("faults"):
        (path.parent / faults).write_text("{}", encoding="utf-8")
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


@contextlib.contextmanager
def going_wrong(profile: Profile, *rules: dict[str, Any], **parts: Any) -> Iterator[None]:
    """Let a profile's own exchange go wrong within a block, as its `exchange.faults` file says."""
    parameters = yaml.safe_load(profile.config.read_text(encoding="utf-8"))
    file = profile.config.parent / parameters["exchange"]["faults"]
    file.write_text(yaml.safe_dump({"faults": list(rules), **parts}), encoding="utf-8")
    try:
        yield
    finally:
        file.write_text("{}", encoding="utf-8")


def put(endpoint: str, field: str, value: Any) -> dict[str, Any]:
    """Return the rule that puts a value into a field of an answer."""
    return {"kind": "put_field", "endpoint": endpoint, "field": field, "value": value}


def real_parameters(path: Path, **sections: Any) -> Path:
    """Write the parameters of the issue's real days."""
    need_real_candles()
    exchange = {"candles": str(REAL_CANDLES), "products": str(REAL_PRODUCTS)}
    exchange |= sections.pop("exchange", {})
    return write_parameters(path, universe=REAL_UNIVERSE, exchange=exchange, **sections)


def command(*arguments: str) -> Said:
    """Call ``tf`` in this process; return its exit code and all that it said."""
    heard = io.StringIO()
    with contextlib.redirect_stdout(heard), contextlib.redirect_stderr(heard):
        code = run_command(lambda **options: app(list(arguments), **options))
    return code, heard.getvalue()


def must_end(outcome: Said, code: int = 0) -> str:
    """Hold a command to its exit code; return all that it said."""
    ended, said = outcome
    assert ended == code, said
    return said


@dataclass(frozen=True)
class Profile:
    """
    A parameter file and a folder of runs.

    Attributes
    ----------
    config : Path
    runs : Path
    """

    config: Path
    runs: Path

    # -- doing ---------------------------------------------------------------------------

    def options(self) -> list[str]:
        return ["--config", str(self.config), "--runs", str(self.runs)]

    def run(self, day: dt.date | str | None = None, *options: str) -> Said:
        """Do a day in this process."""
        dated = ["--date", str(day)] if day is not None else []
        return command("run", *self.options(), *dated, "--no-notebook", *options)

    def call(self, name: str, *arguments: str) -> Said:
        """Call another command of this profile in this process."""
        return command(name, *arguments, *self.options())

    def start(self, name: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command in a process of its own."""
        words = [*COMMAND, name, *self.options(), *arguments]
        return begun(words, cwd=PROJECT, env=os.environ | environment, stderr=subprocess.STDOUT)

    def shell(self, name: str, *arguments: str, **environment: str) -> Said:
        """Call a command in a process of its own and wait for it."""
        return end_of(self.start(name, *arguments, **environment))

    def copied(self, folder: Path) -> Profile:
        """Return the same profile elsewhere, as it stands; the account stays what it was."""
        shutil.copytree(self.runs, folder, symlinks=True)
        return Profile(self.config, folder)

    # -- looking -------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        return self.runs / self.config.stem

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def day(self, day: dt.date | str) -> Path:
        return self.folder / str(day)

    def json(self, day: dt.date | str, name: str) -> Any:
        return json.loads((self.day(day) / name).read_text(encoding="utf-8"))

    def plan(self, day: dt.date | str) -> bytes:
        return (self.day(day) / "plan.json").read_bytes()

    def summary(self, day: dt.date | str) -> dict[str, Any]:
        found: dict[str, Any] = self.json(day, f"daily_summary_{day}.json")
        return found

    def lines(self, day: dt.date | str, log: str) -> list[dict[str, Any]]:
        text = (self.day(day) / "logs" / f"{log}.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def beats(self, event: str = "") -> list[dict[str, Any]]:
        """Return the lines that outlive a day, all or those of an event."""
        text = (self.state / "heartbeat.jsonl").read_text(encoding="utf-8")
        return [line for line in map(json.loads, text.splitlines()) if event in ("", line["event"])]

    def ledger(self) -> list[dict[str, Any]]:
        """Return the ledger's lines, without one that a kill cut short."""
        found = []
        for line in (self.state / "ledger.jsonl").read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return found

    def marks(self, day: dt.date | str) -> list[str]:
        """Return the marks a day carries in the ledger, in the order they were written."""
        lines = self.ledger()
        return [x["mark"] for x in lines if x["kind"] == "mark" and x["day"] == str(day)]

    @property
    def request_log(self) -> Path:
        return self.state / "exchange_requests.jsonl"

    def exchange(self) -> ExchangeState:
        """Return what the embedded exchange holds, from its own file."""
        return read_exchange(self.state / "exchange.sqlite")

    def count_requests(self) -> int:
        return len(requests(self.request_log))

    def changed(self, *, after: int = 0) -> list[str]:
        """Return the changing requests from a line of the log on."""
        return changing(requests(self.request_log, after=after))

    def rules(self, day: dt.date | str) -> dict[str, Rules]:
        """Return the products' rules as the exchange listed them on a day."""
        products: Mapping[str, Any] = self.json(day, "inputs/account.json")["products"]
        return {name: rules_of(record) for name, record in products.items()}

    def wrong(self, day: dt.date | str, exchange: ExchangeState | None = None) -> list[str]:
        """Return what the exchange's own state says is unprotected, doubled or stray."""
        account = self.json(day, "inputs/account.json")
        last = {name: Decimal(quote["last"]) for name, quote in account["quotes"].items()}
        return (exchange or self.exchange()).wrong_with(self.rules(day), last)


MakeProfile = Callable[..., Profile]


def end_of(process: subprocess.Popen[str]) -> Said:
    """Wait for a command that was started; return its exit code and all that it said."""
    return end(process)[:2]


def after_days(config: Path, *days: dt.date | str) -> Profile:
    """Return a profile beside its parameters that has done these days, each of them well."""
    profile = Profile(config, config.parent / "runs")
    for day in days:
        must_end(profile.run(day))
    return profile


def new_profile(config: Path, *days: dt.date | str, **sections: Any) -> Profile:
    """Return a profile with parameters written as told, after these days."""
    return after_days(write_parameters(config, **sections), *days)


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file under a folder, for comparing before and after."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@contextlib.contextmanager
def simulator(folder: Path, *options: str) -> Iterator[dict[str, Any]]:
    """Run a simulated exchange in a process of its own; yield the line it prints."""
    state, log = folder / "exchange.sqlite", folder / "requests.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    words = [*COMMAND, "simulator", "--state", str(state), "--log", str(log), *options]
    process = begun(words, cwd=PROJECT, stderr=None)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, f"the simulator did not start: exit {process.wait(timeout=10)}"
        yield json.loads(line) | {"state": state, "log": log}
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0
        process.stdout.close()
