"""The key signs, and is never shown."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from pathlib import Path

import pytest

from tests.exchange.shown import shown_with_locals
from tf_lib.errors import PreflightRefused
from tf_lib.exchange.coinbase.auth import ApiKey
from tf_lib.store.files import key_file_openness

SECRET = "canary-c2VjcmV0LWNhbmFyeS1zZWNyZXQ="
NAME = "organizations/x/apiKeys/canary-0001"


def test_a_key_shows_nothing_of_itself() -> None:
    """Neither printed, nor formatted, nor pickled."""
    key = ApiKey(NAME, SECRET)

    assert "canary" not in f"{key!r} {key!s} {[key]}"
    for attempt in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            attempt(key)


def test_a_missing_variable_is_named() -> None:
    """And the one that is there is not quoted."""
    with pytest.raises(PreflightRefused, match="COINBASE_API_SECRET not set") as caught:
        ApiKey.from_environment({"COINBASE_API_KEY": "canary"})

    assert "canary" not in str(caught.value)


def test_the_environment_gives_the_key() -> None:
    """As the SDK wants it."""
    key = ApiKey.from_environment({"COINBASE_API_KEY": NAME, "COINBASE_API_SECRET": SECRET})

    assert key.for_sdk == {"api_key": NAME, "api_secret": SECRET}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "no such file"),
        ("canary{", "is not JSON"),
        ('"canary"', "expected an object"),
        ('{"name": "canary"}', "lacks name or privateKey"),
        ('{"name": "", "privateKey": "canary"}', "lacks name or privateKey"),
    ],
)
def test_a_bad_key_file_is_named_and_not_quoted(
    tmp_path: Path, content: str | None, problem: str
) -> None:
    """The content of a broken file may be half a key."""
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(PreflightRefused, match=problem) as caught:
        ApiKey.from_file(path)

    shown = "".join(traceback.format_exception(caught.value))
    assert "canary" not in shown
    assert "key.json" in shown


@pytest.mark.parametrize("secret", [SECRET, "-----BEGIN EC PRIVATE KEY-----\\ncanarycanary\\n"])
def test_a_key_that_cannot_sign_is_found_before_the_first_request(secret: str) -> None:
    """With no frame that holds it."""
    with pytest.raises(PreflightRefused, match="cannot sign") as caught:
        ApiKey(NAME, secret).check()

    assert "canary" not in shown_with_locals(caught.value)


def test_a_good_key_signs(key_file: Path) -> None:
    """In its multi-line form and with the line ends of an environment variable."""
    content = json.loads(key_file.read_text())
    ApiKey.from_file(key_file).check()
    ApiKey(content["name"], content["privateKey"].replace("\n", "\\n")).check()


def test_text_loses_every_trace_of_the_key(key_file: Path) -> None:
    """Name, id, each line of the secret, tokens."""
    content = json.loads(key_file.read_text())
    lines = content["privateKey"].splitlines()
    text = f"{content['name']} {lines[1]} {lines[2]} Bearer eyJhbGci.eyJzdWIi.c2ln and the rest"
    clean = ApiKey.from_file(key_file).scrub(text)

    assert clean == "*** *** *** *** and the rest"


@pytest.mark.parametrize(
    ("mode", "part"),
    [(0o600, ""), (0o400, ""), (0o644, "others can read it"), (0o640, "others can read it"),
     (0o602, "others can write it")],
)  # fmt: skip
def test_a_key_file_that_others_can_use(tmp_path: Path, mode: int, part: str) -> None:
    """Is named, with what closes it."""
    path = tmp_path / "key.json"
    path.write_text("{}")
    path.chmod(mode)
    said = key_file_openness(path)

    assert said == (f"key file {path}: {part}; close it with: chmod 600 {path}" if part else "")
