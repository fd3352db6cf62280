"""Arming: a token is good once, here, now, and for exactly what it was made for."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.processes import ended
from tf_lib.errors import PreflightRefused
from tf_lib.safety.arming import (
    ARMING_FILE_VARIABLE,
    TOKEN_VARIABLE,
    ArmedFor,
    claim,
    is_offered,
    issue,
)

FOR = ArmedFor("demo", "2024-03-01", "c" * 64, "4bd1d5ae-24e8-5bd8-b797-72fc4b01e402")


def test_a_token_is_good_once(tmp_path: Path) -> None:
    """The second claim is refused, and no file is left."""
    offered = issue(tmp_path, FOR)

    claim(offered, FOR).check()

    assert list(tmp_path.iterdir()) == []
    with pytest.raises(PreflightRefused, match="claimed before or is gone"):
        claim(offered, FOR)


def test_the_token_is_never_on_disk(tmp_path: Path) -> None:
    """Only its hash, readable by nobody else's need."""
    offered = issue(tmp_path, FOR)
    (path,) = tmp_path.iterdir()

    assert offered[TOKEN_VARIABLE] not in path.read_text(encoding="utf-8")
    assert len(offered[TOKEN_VARIABLE]) == 64


def test_two_tokens_are_different(tmp_path: Path) -> None:
    """By chance and by name."""
    one, other = issue(tmp_path, FOR), issue(tmp_path, FOR)

    assert one[TOKEN_VARIABLE] != other[TOKEN_VARIABLE]
    assert one[ARMING_FILE_VARIABLE] != other[ARMING_FILE_VARIABLE]


def test_without_a_token(tmp_path: Path) -> None:
    """A notebook that was opened by hand."""
    for environment in ({}, {TOKEN_VARIABLE: "x"}, {ARMING_FILE_VARIABLE: str(tmp_path / "x")}):
        with pytest.raises(PreflightRefused, match=r"not armed: only scripts/run_papermill\.sh"):
            claim(environment, FOR)


def test_claiming_takes_it_out_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that nothing the run starts inherits it."""
    for name, value in issue(tmp_path, FOR).items():
        monkeypatch.setenv(name, value)
    assert is_offered()

    claim(os.environ.copy(), FOR)

    assert not is_offered()
    assert ARMING_FILE_VARIABLE not in os.environ


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("profile", "live"),
        ("day", "2024-03-02"),
        ("config_sha256", "d" * 64),
        ("portfolio_uuid", "0e3948e1-6f19-5470-af3e-6f89ee69466c"),
    ],
)
def test_made_for_something_else(tmp_path: Path, name: str, value: str) -> None:
    """Named, what it was made for and what this is; and it is used up."""
    offered = issue(tmp_path, FOR)

    with pytest.raises(PreflightRefused, match=f"the run was armed for {name} .*, this is '"):
        claim(offered, replace(FOR, **{name: value}))
    with pytest.raises(PreflightRefused, match="claimed before"):
        claim(offered, FOR)


def test_another_token(tmp_path: Path) -> None:
    """A file that was found is worthless without its token."""
    offered = issue(tmp_path, FOR) | {TOKEN_VARIABLE: "0" * 64}

    with pytest.raises(PreflightRefused, match="does not fit its file"):
        claim(offered, FOR)


def test_too_old(tmp_path: Path) -> None:
    """After the deadline of a run."""
    offered = issue(tmp_path, FOR)
    (path,) = tmp_path.iterdir()
    record = json.loads(path.read_text(encoding="utf-8"))
    past = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)
    path.write_text(json.dumps(record | {"expires": past.isoformat()}), encoding="utf-8")

    with pytest.raises(PreflightRefused, match="ran out at"):
        claim(offered, FOR)


CLAIM = (
    "import os, sys\n"
    "from tf_lib.safety.arming import ArmedFor, claim\n"
    "try:\n"
    "    claim(os.environ.copy(), ArmedFor(*sys.argv[1:])).check()\n"
    "except Exception as error:\n"
    "    sys.exit(str(error))\n"
)


def test_the_launchers_child_may_claim_it(tmp_path: Path) -> None:
    """As the kernel of a run does."""
    words = [sys.executable, "-c", CLAIM, *asdict(FOR).values()]

    assert ended(words, env=os.environ | issue(tmp_path, FOR))[0] == 0


def test_a_grandchild_or_stranger_may_not(tmp_path: Path) -> None:
    """Another process tree: named with both numbers."""
    inner = f"import subprocess, sys; sys.exit(subprocess.call({[sys.executable, '-c', CLAIM]!r}"
    inner += " + sys.argv[1:]))"
    words = [sys.executable, "-c", inner, *asdict(FOR).values()]
    code, _, err = ended(words, env=os.environ | issue(tmp_path, FOR))

    assert code == 1
    assert f"made by process {os.getpid()} for its own child" in err


def test_old_leavings_are_swept(tmp_path: Path) -> None:
    """Tokens of killed launchers do not pile up; young ones are left to theirs."""
    issue(tmp_path, FOR)
    (old,) = tmp_path.iterdir()
    os.utime(old, (0, 0))
    issue(tmp_path, FOR)
    issue(tmp_path, FOR)

    assert not old.exists()
    assert len(list(tmp_path.iterdir())) == 2
