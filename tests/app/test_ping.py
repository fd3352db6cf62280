"""The dead man's ping: a monitor hears of start and end, and can spoil neither."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tests.app.profile import MakeProfile
from tests.app.remote import closed_port

DAY = "2024-03-11"


class Monitor(BaseHTTPRequestHandler):
    """Keeps the path and body of each ping; answers with the status it is told."""

    heard: list[tuple[str, str]]
    status = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.heard.append((self.path, body))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""


@pytest.fixture
def monitor() -> Iterator[str]:
    """Return the address of a monitor on loopback, with a token in it."""
    Monitor.heard, Monitor.status = [], 200
    server = HTTPServer(("127.0.0.1", 0), Monitor)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/canary-token"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_good_day_starts_and_succeeds(make_profile: MakeProfile, monitor: str) -> None:
    """Once: a second start of the day, which finds it done, pings nobody."""
    profile = make_profile(notifications={"email": False, "ping_url": monitor})

    assert profile.run(DAY)[0] == 0
    assert profile.run(DAY)[0] == 0

    assert [path for path, _ in Monitor.heard] == ["/canary-token/start", "/canary-token"]
    assert f"{DAY} exit 0" in Monitor.heard[-1][1]


def test_a_day_that_fails_says_so(make_profile: MakeProfile, monitor: str) -> None:
    """The exit code goes along."""
    profile = make_profile(
        notifications={"email": False, "ping_url": monitor}, portfolio={"name": "Another"}
    )
    profile.run(DAY)
    Monitor.heard.clear()
    ledger = profile.state / "ledger.jsonl"
    ledger.write_text(ledger.read_text().replace('"kind"', '"kid"', 1), encoding="utf-8")

    code, _ = profile.run("2024-03-12")

    assert code != 0
    assert Monitor.heard[-1][0] == "/canary-token/fail"
    assert Monitor.heard[-1][1].endswith(f"exit {code}")


def test_a_dry_run_pings_nobody(make_profile: MakeProfile, monitor: str) -> None:
    """It is not the day's run."""
    profile = make_profile(notifications={"email": False, "ping_url": monitor})

    assert profile.run(DAY, "--dry-run")[0] == 0
    assert Monitor.heard == []


def test_a_monitor_that_is_away_costs_nothing(make_profile: MakeProfile, monitor: str) -> None:
    """The day ends as it would; said without the address, which lets anybody ping."""
    Monitor.status = 500
    away = f"http://127.0.0.1:{closed_port()}/canary-token"
    for number, url in enumerate((monitor, away)):
        profile = make_profile(name=f"p{number}", notifications={"email": False, "ping_url": url})

        code, said = profile.run(DAY)

        assert code == 0
        assert "ping success NOT sent" in said
        logs = "".join(path.read_text() for path in profile.runs.rglob("*.jsonl"))
        assert "canary-token" not in said + logs


@pytest.mark.parametrize("url", ["ftp://x/y", "hc-ping.com/abc", "https://x/y?a=b", ""])
def test_an_address_that_is_none_is_refused(make_profile: MakeProfile, url: str) -> None:
    """What follows the address would not reach the monitor."""
    code, said = make_profile(notifications={"ping_url": url}).run(DAY)

    assert code == 2
    assert "ping_url" in said
