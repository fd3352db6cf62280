"""
Kind `coinbase`, against a simulated exchange in a process of its own.

Everything is as with the real one: found by its address, a key from a file, its own clock.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.app.profile import Profile, end_of, must_end, simulator
from tests.app.remote import to_remote
from tests.oracle.exchange_state import changing, read_exchange, requests
from tf_lib.safety.lock import portfolio_lock

DAY = "2024-03-11"
Endpoint = dict[str, Any]


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    """Yield an exchange at 00:01 UTC of the day, its clock running."""
    with simulator(tmp_path / "venue", "--candles", "synthetic", "--as-of", DAY) as found:
        yield found


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """Yield such an exchange for all tests that must not change anything there."""
    folder = tmp_path_factory.mktemp("untouched")
    with simulator(folder, "--candles", "synthetic", "--as-of", DAY) as found:
        yield found
        assert changing(requests(found["log"])) == []


@pytest.fixture
def remote(endpoint: Endpoint, tmp_path: Path) -> Profile:
    return to_remote(tmp_path, endpoint)


def test_a_whole_day(remote: Profile, endpoint: Endpoint) -> None:
    """Buys, covers, is done; a second call finds the day done and sends nothing."""
    must_end(remote.run())

    exchange = read_exchange(endpoint["state"])
    assert exchange.held_products
    assert remote.wrong(DAY, read_exchange(endpoint["state"])) == []
    assert exchange.cash == exchange.cash_by_fills(Decimal(15000))
    assert remote.marks(DAY) == ["claimed", "effects_complete", "done"]
    assert remote.summary(DAY)["cash"] == pytest.approx(float(exchange.cash), abs=1e-6)

    sent = len(changing(requests(endpoint["log"])))
    assert remote.run() == (0, f"already_ran day={DAY}\n")
    assert len(changing(requests(endpoint["log"]))) == sent


def test_the_key_is_written_nowhere(remote: Profile, endpoint: Endpoint) -> None:
    """Neither its secret nor any line of it, in no file of the runs and in nothing said."""
    key = json.loads(Path(endpoint["key_file"]).read_text(encoding="utf-8"))
    canaries = [line for line in key["privateKey"].splitlines() if len(line) > 20]
    canaries += [key["name"]]
    said = remote.run()[1] + remote.call("status")[1] + remote.call("doctor")[1]
    written = [path.read_bytes() for path in remote.runs.rglob("*") if path.is_file()]

    assert len(canaries) >= 3
    assert len(written) > 20
    for canary in canaries:
        assert canary not in said
        assert not any(canary.encode() in content for content in written)


def test_two_folders_for_one_account(remote: Profile, endpoint: Endpoint, tmp_path: Path) -> None:
    """At the same instant one runs and the other ends with 4 or protects; never twice."""
    other = to_remote(tmp_path / "other", endpoint)
    both = [each.start("run", "--no-notebook") for each in (remote, other)]
    ends = [end_of(process) for process in both]
    codes = sorted(code for code, _ in ends)
    entries = [o.product for o in read_exchange(endpoint["state"]).orders if o.leg == "en"]

    # One that comes only after the other has ended finds orders its ledger does not know.
    assert codes in ([0, 4], [0, 1]), ends
    late = next(said for code, said in ends if code)
    assert "run with pid" in late or "this ledger lacks" in late
    assert len(entries) == len(set(entries)) > 0


def test_run_is_refused_while_account_is_locked(untouched: Endpoint, tmp_path: Path) -> None:
    """Whatever folder holds it: exit 4, and not one changing request."""
    profile = to_remote(tmp_path, untouched)
    with portfolio_lock(untouched["portfolio_uuid"], kind="run"):
        said = must_end(profile.run(None, "--force-run"), 4)

    assert "Nothing was sent" in said
    assert changing(requests(untouched["log"])) == []
    assert not list(profile.folder.glob("20*"))


def test_lost_state_protects_only(remote: Profile, endpoint: Endpoint, tmp_path: Path) -> None:
    """Another folder, same account, same day: its orders are found, nothing is traded, exit 1."""
    remote.run()
    sent = len(changing(requests(endpoint["log"])))
    other = to_remote(tmp_path / "other", endpoint)

    said = must_end(other.run(), 1)

    assert "positions are protected only" in said
    assert changing(requests(endpoint["log"]))[sent:] == []
    assert other.wrong(DAY, read_exchange(endpoint["state"])) == []


def test_gate_with_the_walls_clock(untouched: Endpoint, tmp_path: Path) -> None:
    """Outside its window a run prints `gate_skip`, ends with 0, and asks the exchange nothing."""
    profile = to_remote(tmp_path, untouched, exchange={"clock": "wall"})
    asked = len(requests(untouched["log"]))
    elsewhere = (dt.datetime.now(dt.UTC).hour + 6) % 24

    said = must_end(profile.run(None, "--run-at-utc-hour", str(elsewhere)))

    assert said.startswith("gate_skip now=")
    assert f"window={elsewhere:02d}:00-05" in said
    assert len(requests(untouched["log"])) == asked
    assert not list(profile.folder.glob("20*"))
    assert [line["event"] for line in profile.beats()] == ["gate_skip"]


def test_gate_with_the_exchanges_clock(untouched: Endpoint, tmp_path: Path) -> None:
    """00:01 at the exchange is in the default window, and not in that of another hour."""
    code, said = to_remote(tmp_path, untouched).run(None, "--run-at-utc-hour", "1")

    assert (code, said.split()[0]) == (0, "gate_skip")
    assert "now=2024-03-11T00:" in said


def test_gate_counts_minutes(tmp_path: Path) -> None:
    """Minute `--gate-minutes` is the last that runs."""
    with simulator(tmp_path / "venue", "--candles", "synthetic", "--as-of", DAY) as endpoint:
        profile = to_remote(tmp_path, endpoint)

        assert profile.run(None, "--gate-minutes", "0")[1].startswith("gate_skip ")
        assert profile.run(None, "--gate-minutes", "5")[0] == 0


def test_a_machine_whose_clock_is_wrong(untouched: Endpoint, tmp_path: Path) -> None:
    """The day is the exchange's: exit 5 with both times, no order and no day begun."""
    profile = to_remote(tmp_path, untouched, exchange={"clock": "wall"})

    said = must_end(profile.run(None, "--force-run"), 5)

    assert f"the exchange's {DAY} 00:0" in said
    assert "is not its day" in said
    assert not list(profile.folder.glob("20*"))


def test_today_with_the_walls_clock(tmp_path: Path) -> None:
    """An exchange on the wall's clock, as the real one is: the gate opens by --force-run."""
    with simulator(tmp_path / "venue", "--candles", "synthetic") as endpoint:
        profile = to_remote(tmp_path, endpoint, exchange={"clock": "wall"})
        before = dt.datetime.now(dt.UTC).date()
        code, said = profile.run(None, "--force-run")
        after = dt.datetime.now(dt.UTC).date()

    assert code == 0, said
    assert {path.name for path in profile.folder.glob("20*")} <= {str(before), str(after)}


def test_dry_run_elsewhere_sends_nothing(untouched: Endpoint, tmp_path: Path) -> None:
    """It reads and previews; the account is as it was."""
    before = read_exchange(untouched["state"])

    must_end(to_remote(tmp_path, untouched).run(None, "--dry-run", "--force-run"))

    assert changing(requests(untouched["log"])) == []
    assert read_exchange(untouched["state"]).wallets == before.wallets
    assert any(str(line["path"]).endswith("/preview") for line in requests(untouched["log"]))


def test_an_embedded_kind_found_by_its_address(endpoint: Endpoint, tmp_path: Path) -> None:
    """`simulated` with an address is the one standing there; --date is not ours to choose."""
    profile = to_remote(tmp_path, endpoint, exchange={"kind": "simulated"})

    assert profile.run(DAY)[0] == 2
    assert profile.run()[0] == 0
    assert not (profile.state / "exchange.sqlite").exists()
    assert read_exchange(endpoint["state"]).held_products
