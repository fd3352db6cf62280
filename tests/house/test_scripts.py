"""The scripts run on Linux and macOS, with the bash 3.2 that macOS ships."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

SCRIPTS = (
    ".ci/run",
    "scripts/check.sh",
    "scripts/environment.sh",
    "scripts/lock.sh",
    "scripts/prove.sh",
    "scripts/run_papermill.sh",
    "scripts/setup.sh",
    "scripts/test.sh",
)

# What bash 3.2, or the tools of macOS, do not know.
TOO_NEW = {
    "mapfile, readarray": r"\b(mapfile|readarray)\b",
    "associative array or name reference": r"\b(declare|local|typeset) -[a-zA-Z]*[An]",
    "case change": r"\$\{\w+(\[[^]]*\])?(\^|,)",
    "parameter transformation": r"\$\{\w+@\w\}",
    "append both streams": r"&>>",
    "pipe both streams": r"\|&",
    "coproc": r"\bcoproc\b",
    "wait for any": r"\bwait -\w*[nf]",
    "fall through in case": r";;&|;&",
    "time without date": r"\bEPOCH(SECONDS|REALTIME)\b|%\([^)]*\)T",
    "BASHPID": r"\bBASHPID\b",
    "negative index": r"\[-\d+\]",
    "file name descriptor": r"exec \{\w+\}",
    "GNU readlink": r"\breadlink -[a-z]|\brealpath\b",
    "GNU sed": r"\bsed (-[a-zA-Z]+ )*-i",
    "GNU grep": r"\bgrep -[a-zA-Z]*P",
    "GNU date": r"\bdate (-u )?(-d|--date|-I|--iso)|%N",
    "GNU stat": r"\bstat -c",
    "tools that macOS lacks": r"\b(flock|nproc|timeout|tac|sha256sum|getent|setsid) ",
}


def too_new(line: str) -> list[str]:
    """Return the names of the constructs in a line of shell that are too new."""
    if line.lstrip().startswith("#"):
        return []
    return [name for name, pattern in TOO_NEW.items() if re.search(pattern, line)]


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_is_executable_and_well_formed(project_root: Path, script: str) -> None:
    """A person can start it, and bash can read all of it."""
    path = project_root / script
    checked = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)

    assert os.access(path, os.X_OK)
    assert path.read_text().startswith("#!/usr/bin/env bash\n")
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_uses_nothing_too_new(project_root: Path, script: str) -> None:
    """No construct of bash 4 and no option that only GNU tools have."""
    lines = (project_root / script).read_text().splitlines()
    found = [f"{script}:{n}: {name}" for n, line in enumerate(lines, 1) for name in too_new(line)]

    assert found == []


def test_every_script_is_checked(project_root: Path) -> None:
    """A new script is listed above."""
    on_disk = {f"scripts/{path.name}" for path in (project_root / "scripts").glob("*.sh")}

    assert on_disk | {".ci/run"} == set(SCRIPTS)


@pytest.mark.parametrize(
    "line",
    [
        "mapfile -t lines",
        "declare -A ages",
        "local -n name=$1",
        'echo "${name,,}" "${name^}"',
        'echo "${name@Q}"',
        "run &>> log",
        "run |& tee log",
        "wait -n",
        'root=$(readlink -f "$0")',
        "sed -i s/a/b/ file",
        "grep -oP x file",
        "date -d yesterday",
        "date -u -d yesterday",
        "stat -c %a file",
        "timeout 5 sleep 1",
        'echo "${items[-1]}"',
    ],
)
def test_a_construct_that_is_too_new_is_seen(line: str) -> None:
    """The patterns above do catch what they name."""
    assert too_new(line)


def test_ci_runs_the_one_command(project_root: Path) -> None:
    """CI checks what a developer checks."""
    assert "exec bash scripts/test.sh\n" in (project_root / ".ci/run").read_text()
