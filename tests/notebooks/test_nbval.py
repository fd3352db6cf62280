"""
The unarmed master notebook says the same on the reference day as it did when last reviewed.

nbval runs it on a fresh run of the demo's seeded market and compares every output with the
reference, pictures excepted. A change that is meant: ``python -m tests.notebooks.make_reference``.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.notebooks.run import MASTER, PROJECT, REFERENCE, plain_environment
from tests.processes import Ended, ended
from tf_lib.pages.day.report import STEP_TAG

CELL_SECONDS = 120
MAKE = "make it anew: python -m tests.notebooks.make_reference"


def validate(notebook: Path, run_folder: Path) -> Ended:
    """Run nbval on a notebook against a run's folder."""
    settings = PROJECT / "tests" / "notebooks" / "sanitize.cfg"
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "-p", "no:cacheprovider"]
    command += ["--rootdir", str(notebook.parent), "--nbval", str(notebook)]
    command += ["--nbval-kernel-name=python3", f"--nbval-cell-timeout={CELL_SECONDS}"]
    command += [f"--nbval-sanitize-with={settings}"]
    environment = plain_environment(TF_RUN_DIR=str(run_folder))
    return ended(command, cwd=notebook.parent, env=environment, seconds=600)


@pytest.fixture(scope="module")
def reference() -> Any:
    """The reference notebook."""
    return nbformat.read(REFERENCE, as_version=4)


def test_the_reference_really_holds_outputs(reference: Any) -> None:
    """A stripped reference would compare nothing and pass."""
    code = [cell for cell in reference.cells if cell.cell_type == "code"]
    shows = [cell for cell in code if STEP_TAG not in cell.metadata.get("tags", [])]
    silent = [cell.id for cell in shows if not cell.outputs]
    texts = [o.data["text/plain"] for c in code for o in c.outputs if "data" in o]

    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), MAKE
    assert silent == ["parameters", "pages"], MAKE
    assert len(texts) >= 15, MAKE
    assert any("Good day" in text for text in texts), MAKE


def test_the_reference_is_of_the_master_notebook(reference: Any) -> None:
    """Same cells, same ids, same text; only outputs and counts are added."""
    master = nbformat.read(MASTER, as_version=4)

    kept, made = ([(c.id, c.source) for c in each.cells] for each in (reference, master))
    assert kept == made, MAKE


def test_the_reference_names_no_machine() -> None:
    """No temporary folder, no home, no picture."""
    text = REFERENCE.read_text(encoding="utf-8")

    assert "image/png" not in text
    assert "/tmp" not in text
    assert len(text) < 200_000


@pytest.mark.slow
def test_the_notebook_says_what_it_said(run_folder: Path, tmp_path: Path) -> None:
    """Every output equals the reference."""
    copy = Path(shutil.copy(REFERENCE, tmp_path / "daily_run.ipynb"))
    exit_code, out, err = validate(copy, run_folder)
    code = [c for c in nbformat.read(REFERENCE, 4).cells if c.cell_type == "code"]

    assert exit_code == 0, f"{out[-6000:]}\n{err[-2000:]}\n{MAKE}"
    assert f"{len(code)} passed" in out


@pytest.mark.slow
def test_a_changed_number_is_caught(run_folder: Path, tmp_path: Path) -> None:
    """One digit of the portfolio's equity: the check has teeth."""
    content = json.loads(REFERENCE.read_text(encoding="utf-8"))
    (portfolio,) = [cell for cell in content["cells"] if cell["id"] == "portfolio"]
    data = portfolio["outputs"][0]["data"]
    data["text/plain"] = [line.replace("15,000 USD", "15,001 USD") for line in data["text/plain"]]
    kept = ("title", "parameters", "open-day", "pages", "portfolio")
    content["cells"] = [
        c for c in content["cells"] if c["id"] in kept or STEP_TAG in c["metadata"].get("tags", [])
    ]
    copy = tmp_path / "daily_run.ipynb"
    copy.write_text(json.dumps(content), encoding="utf-8")
    exit_code, out, _ = validate(copy, run_folder)

    assert exit_code == 1
    assert "1 failed" in out
