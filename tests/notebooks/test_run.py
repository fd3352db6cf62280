"""The notebooks in use: executed by the launcher, and opened by hand afterwards."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.notebooks.run import EXPLORE, MASTER, execute
from tf_lib.app.launch.notebook import incomplete

pytestmark = pytest.mark.slow

MOST_FIGURES = 25
MOST_BYTES = 2_000_000


def digest(folder: Path) -> dict[str, str]:
    """What every file of a folder holds."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def changed_by(act: Callable[[], object], folder: Path) -> set[str]:
    """The files that an action changes, adds or removes."""
    before = digest(folder)
    act()
    after = digest(folder)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def outputs_of(cells: Any) -> list[Any]:
    """All outputs of a notebook."""
    return [out for cell in cells.cells for out in cell.get("outputs", [])]


def test_the_armed_run_leaves_a_complete_small_notebook(run_folder: Path) -> None:
    """Every cell ran, none failed, and the file can be mailed."""
    path = run_folder / "daily_run.ipynb"
    figures = [o for o in outputs_of(nbformat.read(path, 4)) if "image/png" in o.get("data", {})]

    assert incomplete(path) == ""
    assert path.stat().st_size < MOST_BYTES
    assert 8 <= len(figures) <= MOST_FIGURES


def test_the_report_tells_the_day_without_a_network(run_folder: Path) -> None:
    """Headline first, every picture with words, nothing fetched."""
    page = (run_folder / "report.html").read_text()
    words_only = re.sub(r"base64,[^\"]*", "", page)

    assert "Good day" in page
    assert "orders are sent" in page
    assert page.index("Good day") < page.index("<img")
    assert "<script" not in page
    assert not re.search(r"https?:|src=\"//|<link|@import", words_only)
    assert len(page) < MOST_BYTES
    assert all('alt="' in one for one in re.findall(r"<img[^>]*>", words_only))


@pytest.mark.parametrize("notebook", [MASTER, EXPLORE], ids=lambda path: path.name)
def test_opened_by_hand_it_shows_run_and_changes_nothing(notebook: Path, run_folder: Path) -> None:
    """No file of the run, the ledger or the exchange's request log is touched."""
    profile = run_folder.parent

    def look() -> None:
        cells = execute(notebook, run_folder)
        assert "recorded session" in str(outputs_of(cells)[0]) or notebook == EXPLORE

    assert changed_by(look, profile) == set()


def test_the_executed_copy_run_again_by_hand_sends_nothing(run_folder: Path) -> None:
    """It still holds the run's folder as its parameter, but nobody armed it."""
    profile = run_folder.parent

    assert changed_by(lambda: execute(run_folder / "daily_run.ipynb", run_folder), profile) == set()
