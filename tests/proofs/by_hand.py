"""
By hand: whatever a person does with a notebook, nothing is sent.

The day was killed before its first order, so that a frozen plan waits to be carried out and the
exchange is there to take it. Then the master, or a copy of it, is executed in every way there is,
with a token that somebody else was given among them. The exchange's own log tells what it heard.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.proofs.crash import Scene
from tests.proofs.fork_server import KILLED, PROJECT
from tests.proofs.result import Met
from tests.proofs.stage import Stage

MASTER = PROJECT / "notebooks" / "daily_run.ipynb"
_SECONDS = 120


@dataclass(frozen=True)
class Hand:
    """One thing a person may do; `act` returns the processes' exit codes."""

    name: str
    act: Callable[[Stage, Path], list[int]]

    def __str__(self) -> str:
        return self.name


def cut_short(stage: Stage, scene: Scene) -> Path:
    """Kill the day before its first order; return its run folder."""
    stage.put_back(scene.eve)
    point = next(p.number for p in scene.points["still"] if p.what == "POST /orders")
    cancel = next(p.number for p in scene.points["still"] if p.is_changing)
    ended = stage.run(kill={"number": min(point, cancel), "moment": "before"})
    assert ended.code == KILLED, ended.said
    return stage.profile / str(scene.day)


def do(stage: Stage, scene: Scene, hand: Hand) -> Met[Hand]:
    """Do one thing by hand; nothing may come of it."""
    folder = cut_short(stage, scene)
    before, ledger = len(stage.exchange.request_log), stage.ledger.read_bytes()
    hand.act(stage, folder)
    heard = stage.exchange.request_log[before:]
    found = [f"sent: {x['method']} {x['path']}" for x in heard if x["changing"]]
    if stage.ledger.read_bytes() != ledger:
        found.append("wrote: the ledger was written to")
    if stage.profile.joinpath(str(scene.day), "done.json").exists():
        found.append("done_mark: the day was marked done")
    return Met(hand, findings=tuple(found))


# -- ways ------------------------------------------------------------------------------------


def _python(stage: Stage, *arguments: str, **environment: str) -> int:
    where = stage.folder / "by_hand"
    where.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=where,
        env=os.environ | stage.environment | {"PYTHONPATH": str(PROJECT)} | environment,
        capture_output=True,
        timeout=_SECONDS,
        check=False,
    )
    return done.returncode


def _papermill(stage: Stage, notebook: Path, run_dir: str, **environment: str) -> int:
    out = str(stage.folder / "by_hand" / "out.ipynb")
    parameter = ["-p", "run_dir", run_dir] if run_dir else []
    options = ["--cwd", str(stage.folder), "--no-progress-bar", "-k", "python3"]
    arguments = ("-m", "papermill", str(notebook), out, *parameter, *options)
    return _python(stage, *arguments, **environment)


def run_all_on_the_master(stage: Stage, folder: Path) -> list[int]:
    """As JupyterLab does it, the run's folder named by the environment."""
    script = (
        "import sys, nbformat\nfrom nbclient import NotebookClient\n"
        "cells = nbformat.read(sys.argv[1], as_version=4)\n"
        "NotebookClient(cells, timeout=100, kernel_name='python3', allow_errors=True).execute()\n"
    )
    return [_python(stage, "-c", script, str(MASTER), TF_RUN_DIR=str(folder))]


def nbconvert(stage: Stage, folder: Path) -> list[int]:
    options = ("--to", "notebook", "--execute", "--allow-errors", "--output-dir")
    where = str(stage.folder / "by_hand")
    command = ("-m", "nbconvert", *options, where, str(MASTER))
    return [_python(stage, *command, TF_RUN_DIR=str(folder))]


def papermill_by_hand(stage: Stage, folder: Path) -> list[int]:
    """With the very parameter that the launcher gives."""
    return [_papermill(stage, MASTER, str(folder))]


def an_edited_parameter(stage: Stage, folder: Path) -> list[int]:
    """In the first cell of a copy, as somebody would who wants the day to be done."""
    copy = stage.folder / "by_hand" / "copy.ipynb"
    copy.parent.mkdir(exist_ok=True)
    content = json.loads(MASTER.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            cell["source"] = f"run_dir = {str(folder)!r}"
    copy.write_text(json.dumps(content), encoding="utf-8")
    return [_papermill(stage, copy, "")]


def a_copied_token(stage: Stage, folder: Path) -> list[int]:
    """A token for exactly this run, but made by another process for its own child."""
    from tf_lib.parameters import config_from_mapping
    from tf_lib.safety.arming import ArmedFor, issue
    from tf_lib.safety.session_file import SESSION_FILE, config_sha256

    session = json.loads((folder / SESSION_FILE).read_text(encoding="utf-8"))
    config = config_from_mapping(session["config"], source="session")
    armed_for = ArmedFor(
        session["profile"], session["day"], config_sha256(config), session["portfolio_uuid"]
    )
    token = issue(stage.state, armed_for)
    # One process between: the kernel's parent is not the one that made the token.
    return [_papermill(stage, MASTER, str(folder), **token)]


def a_token_of_the_run_itself(stage: Stage, folder: Path) -> list[int]:
    """The files that a killed launcher left behind are offered again."""
    left = sorted(stage.state.glob("arming-*")) or [stage.state / "arming-none.json"]
    environment = {"TF_ARMING_TOKEN": "0" * 64, "TF_ARMING_FILE": str(left[-1])}
    return [_papermill(stage, MASTER, str(folder), **environment)]


def a_copy_of_the_folder(stage: Stage, folder: Path) -> list[int]:
    """The whole run folder copied elsewhere, and the master executed on it."""
    copy = stage.folder / "by_hand" / folder.name
    shutil.rmtree(copy, ignore_errors=True)
    copy.parent.mkdir(exist_ok=True)
    shutil.copytree(folder, copy)
    return [_papermill(stage, MASTER, str(copy))]


HANDS = tuple(
    Hand(act.__name__, act)
    for act in (
        run_all_on_the_master,
        nbconvert,
        papermill_by_hand,
        an_edited_parameter,
        a_copied_token,
        a_token_of_the_run_itself,
        a_copy_of_the_folder,
    )
)


def every_hand(names: tuple[str, ...] = ()) -> Iterator[Hand]:
    """Yield all, or those named."""
    for hand in HANDS:
        if not names or hand.name in names:
            yield hand
