"""The command line itself: version, short help, completion, and what every option says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from tests.app.profile import command, must_end
from tf_lib import __version__
from tf_lib.app.cli import app

TF = Path(sys.executable).with_name("tf")


def parameters() -> Iterator[Any]:
    """Yield every option and argument of every command, with a name to find it by."""
    group: Any = typer.main.get_command(app)
    for name, each in sorted(group.commands.items()):
        for parameter in each.params:
            yield pytest.param(parameter, id=f"{name} {'/'.join(parameter.opts)}")


@pytest.mark.parametrize("parameter", list(parameters()))
def test_every_option_says_form_meaning_and_default(parameter: Any) -> None:
    """Form where the value goes; meaning in words; what holds when it is left out."""
    if parameter.name == "help":
        return
    has_default = parameter.default is not None and parameter.default is not False
    is_flag = getattr(parameter, "is_flag", False)

    assert len(parameter.help or "") >= 10
    assert is_flag or parameter.metavar
    assert parameter.required or has_default or "Default: " in parameter.help


def test_default_of_cron_is_the_live_profile() -> None:
    """Not the demo's, as everywhere else."""
    assert "Default: live." in " ".join(command("cron", "--help")[1].replace("│", " ").split())


@pytest.mark.parametrize("arguments", [("--version",), ("-h",), ("run", "-h"), ("sweep", "-h")])
def test_short_ways(arguments: tuple[str, ...]) -> None:
    """Exit 0; the version is the project's."""
    said = must_end(command(*arguments))

    assert said == f"tf {__version__}\n" if "--version" in arguments else "Usage" in said


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("backtest", "--config", "c", "--candles", "f", "--out", ""), "--out"),
        (("sweep", "--out="), "--out"),
        (("site", "--runs", ""), "--runs"),
        (("replay", ""), "replay"),
    ],
)
def test_an_empty_value(
    arguments: tuple[str, ...], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a path it would be the folder that the command is called in."""
    monkeypatch.chdir(tmp_path)

    assert command(*arguments)[0] == 2
    assert command(*arguments)[1].startswith(f"error: {name}: expected a value, got an empty one")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "wanted"),
    [("tf sta", "status"), ("tf run --profile l", "live"), ("tf run --da", "--date")],
)
def test_a_shell_can_complete(words: str, wanted: str) -> None:
    """Commands, options and the names of profiles."""
    environment = {
        **os.environ, "_TF_COMPLETE": "complete_bash",
        "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1),
    }  # fmt: skip
    done = subprocess.run([TF], env=environment, capture_output=True, text=True, timeout=60)

    assert wanted in done.stdout.split()
    assert done.stderr == ""
