"""
Secrets: planted everywhere a command can meet one, and searched for in everything it leaves.

Every command of ``tf`` is called, well and badly; all it prints, all files of the runs, of the home
folder and of the result folders are searched for the secrets as they are, in base64, and line by
line of a PEM, and for anything that looks like a token.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.profile import FEW_UNIVERSE, command, write_parameters
from tests.app.remote import closed_port
from tf_lib.app.cli import app
from tf_lib.core.model.products import BUILT_IN_PRODUCTS
from tf_lib.exchange.coinbase import client
from tf_lib.exchange.coinbase.wire import RetryRule
from tf_lib.simulator import SimulatedExchange, SimulatorSettings

DAY = "2024-03-11"
PASSWORD = "canary-of-the-mail-password-4711"
NAME_IN_ENVIRONMENT = "organizations/canary-0815/apiKeys/canary-0816"
BROKEN_PEM = (
    "-----BEGIN EC PRIVATE KEY-----\n"
    "Q2FuYXJ5Q2FuYXJ5Q2FuYXJ5Q2FuYXJ5Q2FuYXJ5Q2FuYXJ5\n"
    "-----END EC PRIVATE KEY-----\n"
)
TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}")


class Scene:
    """A folder with an exchange, a profile for it, and what was heard of all commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.called: set[str] = set()
        self.exchange = SimulatedExchange(
            SimulatorSettings(
                tickers=tuple(FEW_UNIVERSE["tickers"]),
                products={t: BUILT_IN_PRODUCTS[t] for t in FEW_UNIVERSE["tickers"]},
                as_of=dt.date.fromisoformat(DAY),
                state_file=folder / "venue" / "exchange.sqlite",
                log_file=folder / "requests.jsonl",
            )
        )
        (folder / "venue").mkdir(parents=True, exist_ok=True)
        self.endpoint = self.exchange.start()
        self.key = json.loads(self.endpoint.key_file.read_text(encoding="utf-8"))

    def profile(self, name: str, **exchange: Any) -> list[str]:
        """Write a profile of kind coinbase; return the options that name it."""
        found = {
            "kind": "coinbase",
            "clock": "exchange",
            "base_url": self.endpoint.base_url,
            "ca_file": str(self.endpoint.ca_file),
            "key_file": str(self.endpoint.key_file),
        }
        found = {k: v for k, v in (found | exchange).items() if v is not None}
        config = write_parameters(
            self.folder / f"{name}.yaml",
            universe=FEW_UNIVERSE,
            exchange=found,
            notifications={"email": True},
        )
        return ["--config", str(config), "--runs", str(self.folder / "runs")]

    def key_file(self, name: str, text: str) -> str:
        """Write a key file; the folder of keys is not searched."""
        path = self.folder / "venue" / "keys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)

    def call(self, *arguments: str, wanted: tuple[int, ...]) -> str:
        """Call a command, and keep what it said."""
        code, said = command(*arguments)
        self.called.add(arguments[0])
        self.said.append(said)
        assert code in wanted, (arguments, code, said[-800:])
        return said


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Return the scene after everything has been called."""
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "home").mkdir()
    (folder / "venue").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        # A read that fails is tried again without waiting.
        patch.setattr(client, "RetryRule", lambda: RetryRule(sleep=lambda seconds: None))
        patch.setenv("HOME", str(folder / "home"))
        patch.setenv("TF_LOCK_DIR", str(folder / "home" / "locks"))
        mail = {"HOST": "127.0.0.1", "PORT": str(closed_port()), "USER": "me", "PASS": PASSWORD}
        for name, value in mail.items():
            patch.setenv(f"TF_SMTP_{name}", value)
        patch.setenv("TF_EMAIL_FROM", "runner@example.com")
        patch.setenv("TF_EMAIL_TO", "owner@example.com")
        made = Scene(folder)
        try:
            for calls in (_good_days, _bad_answers, _bad_keys, _research):
                calls(made, patch)
        finally:
            made.exchange.stop()
        _nobody_there(made, patch)
        yield made


def _good_days(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    options = scene.profile("good")
    scene.call("doctor", *options, wanted=(0, 1, 5))
    scene.call("run", *options, "--no-notebook", "--dry-run", wanted=(0,))
    scene.call("run", *options, "--no-notebook", wanted=(0,))
    for name in ("run", "guard", "protect", "status"):
        scene.call(name, *options, wanted=(0, 1))
    scene.call("status", *options, "--json", wanted=(0,))
    scene.call("release", "ADA-USD", *options, wanted=(2,))
    scene.call("pause", *options, "--why", "canary", wanted=(0,))
    scene.call("resume", *options, wanted=(0,))
    scene.call("flatten", "--all", "--dry-run", *options, wanted=(0,))
    scene.call("flatten", "ADA-USD", "--yes", *options, wanted=(0,))
    scene.call("resume", *options, wanted=(0,))
    scene.call("replay", str(scene.folder / "runs" / "good" / DAY), wanted=(0,))
    _days(scene, options)
    scene.call("site", "--runs", str(scene.folder / "runs"), wanted=(0,))
    scene.call("reset", wanted=(0, 2))
    scene.call("cron", wanted=(0,))
    scene.call("schedule", "--kind", "cron", wanted=(0,))


def _days(scene: Scene, options: list[str]) -> None:
    """List, show, compare, pack, keep and put back; what was put back is searched as well."""
    for words in ("runs", "show", "transfers", "compare last last", "prune --keep 0"):
        scene.call(*words.split(), *options, wanted=(0,))
    named = [*options[:2], "--json"]
    scene.call("config", "show", *named, wanted=(0,))
    kept = str(scene.folder / "kept.tar.gz")
    scene.call("backup", "--out", kept, *options, wanted=(0,))
    elsewhere = ("--runs", str(scene.folder / "elsewhere"), "--yes")
    scene.call("restore", kept, *options[:2], *elsewhere, wanted=(0,))


def _bad_answers(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    options = scene.profile("good")
    # The launcher reads it once. Through papermill: the kernel's traceback is part of the notebook.
    rule: dict[str, Any]
    rule = {"kind": "status", "status": 400, "endpoint": "GET /portfolios", "calls": ["2-99999"]}
    scene.exchange.add_fault(**rule)
    scene.call("run", *options, "--force-run", wanted=(1,))
    scene.exchange.clear_faults()
    # Nor is it waited for an exchange that has not told its clock.
    patch.setattr("time.sleep", lambda seconds: None)
    for rule in ({"kind": "unauthorized"}, {"kind": "status", "status": 502, "body": "html"}):
        scene.exchange.add_fault(endpoint="* /*", **rule)
        scene.call("run", *options, "--no-notebook", "--force-run", wanted=(5,))
        scene.call("guard", *options, wanted=(1, 3))
        scene.call("protect", *options, wanted=(1, 3, 5))
        scene.call("doctor", *options, wanted=(1, 5))
        scene.call("flatten", "--all", "--yes", *options, wanted=(1, 5))
        scene.exchange.clear_faults()


def _bad_keys(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    key = scene.key
    texts = {
        "cut": json.dumps(key)[:-30],
        "bare": key["privateKey"],
        "broken": json.dumps(key | {"privateKey": BROKEN_PEM}),
        "nameless": json.dumps({"privateKey": key["privateKey"]}),
    }
    for name, text in texts.items():
        options = scene.profile(name, key_file=scene.key_file(name, text))
        for called in ("run", "guard", "protect", "doctor", "flatten"):
            more = {"run": ["--no-notebook"], "flatten": ["--all"]}.get(called, [])
            scene.call(called, *options, *more, wanted=(1, 2, 5))
    patch.setenv("COINBASE_API_KEY", NAME_IN_ENVIRONMENT)
    patch.setenv("COINBASE_API_SECRET", BROKEN_PEM)
    options = scene.profile("environment", key_file=None)
    for called in ("run", "doctor"):
        scene.call(called, *options, wanted=(1, 5))


def _research(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    """These meet no key but the environment's; each is called well or refused."""
    config = scene.profile("good")[1]
    candles = scene.folder / "candles"
    candles.mkdir()
    lines = [f"2024-01-{day:02d},1,1,1,1,1" for day in range(1, 29)]
    text = "\n".join(["date,open,high,low,close,volume", *lines]) + "\n"
    for ticker in FEW_UNIVERSE["tickers"]:
        (candles / f"{ticker}.csv").write_text(text, encoding="utf-8")
    owned = scene.folder / "portfolio.json"
    owned.write_text('{"cash": "1", "positions": {}}', encoding="utf-8")
    out, grid = str(scene.folder / "out"), scene.folder / "grid.yaml"
    grid.write_text("{}\n", encoding="utf-8")
    given = ["--config", config, "--candles", str(candles)]
    scene.call("decide", *given, "--as-of", "2024-01-29", "--portfolio", str(owned), wanted=(0, 2))
    scene.call("backtest", *given, "--out", out, wanted=(0, 2))
    scene.call("lookahead", *given, wanted=(0, 1, 2))
    scene.call("sweep", *given, "--grid", str(grid), "--out", out, wanted=(2,))
    scene.call("compare-sets", out, "0", "1", wanted=(2,))
    scene.call("simulator", "--candles", str(scene.folder / "none"), wanted=(2,))


def _nobody_there(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    """The exchange has gone away."""
    options = scene.profile("good")
    for called in ("run", "guard", "protect", "doctor"):
        more = ["--no-notebook", "--force-run"] if called == "run" else []
        scene.call(called, *options, *more, wanted=(1, 3, 5))


def needles(scene: Scene) -> dict[str, bytes]:
    """Return what must be found nowhere."""
    secrets = {
        "key": scene.key["privateKey"],
        "key name": scene.key["name"],
        "mail password": PASSWORD,
        "key of the environment": BROKEN_PEM,
        "key name of the environment": NAME_IN_ENVIRONMENT,
    }
    found = {}
    for what, secret in secrets.items():
        found[what] = secret.encode()
        found[f"{what}, as JSON"] = json.dumps(secret)[1:-1].encode()
        for name, encode in (("base64", base64.b64encode), ("urlsafe", base64.urlsafe_b64encode)):
            # The last letters depend on what follows.
            found[f"{what}, {name}"] = encode(secret.encode())[:-4]
        pieces = [line for line in secret.splitlines() if len(line) > 20 and "-----" not in line]
        for number, line in enumerate(pieces if "\n" in secret else ()):
            found[f"{what}, line {number}"] = line.encode()
            found[f"{what}, half of line {number}"] = line[: len(line) // 2].encode()
    return found


def written(scene: Scene) -> Iterator[tuple[str, bytes]]:
    """Yield everything that was said and written, the keys' own files left out."""
    yield "said", "\n".join(scene.said).encode()
    for path in sorted(scene.folder.rglob("*")):
        is_key = (scene.folder / "venue") in path.parents and path.suffix != ".sqlite"
        if path.is_file() and not is_key:
            yield str(path.relative_to(scene.folder)), path.read_bytes()


def test_every_command_was_called(scene: Scene) -> None:
    """A command that is added is searched as well."""
    names = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}
    groups = {group.name for group in app.registered_groups}

    assert scene.called == names | groups


def test_no_secret_is_anywhere(scene: Scene) -> None:
    """In no form, in nothing that was said or written."""
    wanted, everything = needles(scene), dict(written(scene))
    leaks = [
        f"{what} in {where}"
        for where, content in everything.items()
        for what, needle in wanted.items()
        if needle in content
    ]
    tokens = [where for where, content in everything.items() if TOKEN.search(content)]

    assert leaks == []
    assert tokens == []
    assert len(everything) > 60
    assert len(wanted) > 20


@pytest.mark.parametrize(
    "leak",
    [
        lambda scene: scene.key["privateKey"],
        lambda scene: repr(scene.key),
        lambda scene: json.dumps({"detail": scene.key["privateKey"]}),
        lambda scene: base64.b64encode(scene.key["privateKey"].encode()).decode(),
        lambda scene: f"...{scene.key['privateKey'].splitlines()[1][:40]}...",
        lambda scene: f"login failed for {PASSWORD}",
    ],
)
def test_a_leak_would_be_seen(scene: Scene, leak: Callable[[Scene], str]) -> None:
    """The search finds what it is made for."""
    text = leak(scene).encode()

    assert any(needle in text for needle in needles(scene).values())
