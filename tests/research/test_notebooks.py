"""The research notebooks say what they said when they were last reviewed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from papermill.exceptions import PapermillExecutionError

from tests.research.notebooks import GRID, MADE, NOTEBOOKS, REFERENCES, execute, said_by
from tests.research.sweeping import write_inputs

MAKE = "meant? make it anew: python -m tests.research.notebooks"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def _nobody_elses_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_LOCK_DIR", str(tmp_path / "locks"))
    (tmp_path / "locks").mkdir()


@pytest.mark.slow
@pytest.mark.parametrize("name", MADE)
def test_a_notebook_says_what_it_said(name: str, tmp_path: Path) -> None:
    """Every text it shows, on made-up inputs, through papermill."""
    notebook = MADE[name](tmp_path)
    silent = [c.id for c in notebook.cells if c.cell_type == "code" and not c.outputs]

    assert set(silent) <= {"parameters", "injected-parameters", "inputs"} | {
        cell.id for cell in notebook.cells if "injected-parameters" in cell.metadata.get("tags", [])
    }
    assert said_by(notebook) == (REFERENCES / f"{name}.txt").read_text(encoding="utf-8"), MAKE


@pytest.mark.parametrize("name", MADE)
def test_parameters_are_plain_and_commented(name: str) -> None:
    """Papermill reads them with patterns: one annotated literal a line, with a comment."""
    import ast

    import nbformat

    cells: list[Any] = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
    (cell,) = [c for c in cells if "parameters" in c.metadata.get("tags", [])]
    lines = ast.parse(cell.source).body

    assert all(isinstance(line, ast.AnnAssign) for line in lines)
    assert all(isinstance(line.value, ast.Constant) for line in lines)
    assert all("  # " in line for line in cell.source.splitlines())


def test_a_day_that_papermill_read_as_a_number_is_told_its_form(tmp_path: Path) -> None:
    """As ``-p start 20230601`` gives it."""
    config, _, candles = write_inputs(tmp_path, GRID)
    paths = {"config": str(config), "candles": str(candles), "out": str(tmp_path / "out")}

    with pytest.raises(PapermillExecutionError, match="expected a day as YYYY-MM-DD"):
        execute("research_backtest.ipynb", tmp_path, **paths, start=20230601)
