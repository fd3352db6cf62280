"""A key that others can use, and an exchange whose words are not fit for a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.profile import FAULTS, MakeProfile, Profile, going_wrong, must_end
from tests.app.remote import closed_port


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    path.write_text("{}", encoding="utf-8")
    return path


def profile_with(key: Path, make_profile: MakeProfile, name: str) -> Profile:
    """Return a profile of an exchange that does not answer."""
    url = f"127.0.0.1:{closed_port()}"
    return make_profile(name, exchange={"kind": "coinbase", "base_url": url, "key_file": str(key)})


def test_a_live_key_that_others_can_read(key: Path, make_profile: MakeProfile) -> None:
    """Refused before it is used; closed, the run goes as far as the exchange lets it."""
    live = profile_with(key, make_profile, "live")
    key.chmod(0o644)
    code, said = live.run(None, "--force-run")
    doctor = live.call("doctor")[1]
    guard = live.call("protect")[1]
    key.chmod(0o600)
    code_closed, said_closed = live.run(None, "--force-run")

    assert code == code_closed == 5
    assert f"key file {key}: others can read it; close it with: chmod 600 {key}" in said
    assert f"FAIL  key file     key file {key}: others can read it" in doctor
    assert f"warning: key file {key}: others can read it" in guard
    assert "others can read" not in said_closed
    assert "lacks name or privateKey" in said_closed


def test_a_key_file_that_is_not_there(key: Path, make_profile: MakeProfile) -> None:
    """Doctor does not call it well."""
    key.unlink()
    said = profile_with(key, make_profile, "practice").call("doctor")[1]

    assert f"FAIL  key file     {key}: there is no such file" in said


def test_any_other_key_that_others_can_read(key: Path, make_profile: MakeProfile) -> None:
    """Only a live run is refused for it."""
    key.chmod(0o644)
    said = must_end(profile_with(key, make_profile, "practice").run(None, "--force-run"), 5)

    assert "lacks name or privateKey" in said
    assert "others can read it" not in said.split("error: ")[1]


def test_control_characters_of_an_exchange(make_profile: MakeProfile) -> None:
    """A portfolio's name that clears the screen is shown escaped, in terminal, logs and record."""
    profile = make_profile(exchange=FAULTS)
    nasty = {"field": "portfolios.*.name", "value": "gone\x1b[2J\u202e\x07"}
    rule = {"kind": "put_field", "endpoint": "GET /portfolios", **nasty}
    with going_wrong(profile, rule):
        code, said = profile.run("2024-03-11")
    written = "".join(
        path.read_text(encoding="utf-8") for path in profile.runs.rglob("*.jsonl")
        if "exchange_requests" not in path.name
    )  # fmt: skip

    assert code == 5
    assert r"x1b[2J" in said
    assert said.replace("\n", "").isprintable()
    assert not [raw for raw in ("\x1b", "\u202e", "\x07", "\\u001b", "\\u0007") if raw in written]
    assert r"x1b[2J" in written
