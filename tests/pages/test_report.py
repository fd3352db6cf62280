"""The report: the executed notebook as one small file that needs no network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.pages.day import PageDay, stop_row
from tf_lib.errors import StateError
from tf_lib.pages.day import charts, tables
from tf_lib.pages.day.report import PAPERMILL_TAG, STEP_TAG, export_report

FETCHED = re.compile(r"""(src|href)\s*=\s*["']?\s*(https?:)?//|@import|url\(|https?://""", re.I)


def shown(piece: Any) -> Any:
    """What a notebook keeps of a displayed object."""
    if hasattr(piece, "_repr_mimebundle_"):
        data, metadata = piece._repr_mimebundle_()
        return new_output("display_data", data=data, metadata=metadata)
    data = {"text/html": piece._repr_html_(), "text/plain": repr(piece)}
    return new_output("display_data", data=data)


def written(folder: Path, cells: list[Any]) -> Path:
    """A notebook of these cells in a day's folder."""
    path = folder / "2024-03-01" / "daily_run.ipynb"
    path.parent.mkdir()
    nbformat.write(new_notebook(cells=cells), path)
    return path


def code(source: str, *outputs: Any, step: bool = False) -> Any:
    """A code cell as an executed notebook holds it."""
    metadata = {"tags": [STEP_TAG]} if step else {}
    return new_code_cell(source, outputs=list(outputs), execution_count=1, metadata=metadata)


@pytest.fixture
def page(tmp_path: Path, day: PageDay) -> str:
    """The report of a notebook with a step, a table and charts."""
    pictures = [charts.weights(day.decision), *charts.prices(day.decision, day.bars)]
    notebook = written(
        tmp_path,
        [
            new_markdown_cell("# Daily run\n\nIs all well?"),
            code("day.sell()", step=True),
            new_markdown_cell("**Step 9.**", metadata={"tags": [STEP_TAG]}),
            code("secret_source = 1", shown(tables.decision_table(day.decision))),
            code("charts", *[shown(chart) for chart in pictures]),
        ],
    )
    return export_report(notebook, notebook.with_name("report.html")).read_text()


def test_nothing_is_fetched(page: str) -> None:
    """No script, font, style or picture from anywhere."""
    without_pictures = re.sub(r'src="data:image/png;base64,[^"]*"', "", page)

    assert "<script" not in page
    assert not FETCHED.search(without_pictures)
    assert "<link" not in page


def test_code_and_quiet_steps_are_left_out(page: str) -> None:
    """A reader wants what happened, not how."""
    assert "secret_source" not in page
    assert "day.sell()" not in page
    assert "Step 9" not in page


def test_title_day_and_width_for_a_phone(page: str) -> None:
    """The tab says which day; the page fits a small screen."""
    assert "<title>Daily run 2024-03-01</title>" in page
    assert 'name="viewport"' in page
    assert '<html lang="en">' in page


def test_every_picture_has_words(page: str) -> None:
    """Alternative text, never empty."""
    pictures = re.findall(r"<img[^>]*>", page.replace("\n", " "))

    assert len(pictures) >= 3
    assert all(re.search(r'alt="[^"]{10,}"', one) for one in pictures)


def test_it_is_small(page: str) -> None:
    """A fraction of 2 MB."""
    assert len(page) < 1_000_000


def test_a_failed_cell_is_said_first(tmp_path: Path) -> None:
    """Also when the cell is one that a good day hides."""
    error = new_output(
        "error",
        ename="HaltRun",
        evalue="no <believable> price",
        traceback=["\x1b[31mHaltRun\x1b[0m"],
    )
    notebook = written(
        tmp_path, [new_markdown_cell("# Daily run"), code("day.sell()", error, step=True)]
    )
    page = export_report(notebook, tmp_path / "report.html").read_text()
    body = page[page.index("<body>") :]

    assert "HaltRun: no &lt;believable&gt; price" in body
    assert body.index("This run did not finish") < body.index("Daily run")


def test_what_never_ran_is_left_out_and_the_summary_tells(tmp_path: Path) -> None:
    """No headings over nothing; what is held stands in the summary."""
    error = new_output("error", ename="HaltRun", evalue="no price", traceback=["HaltRun"])
    notebook = written(
        tmp_path,
        [
            new_markdown_cell("An exception!", metadata={"tags": [PAPERMILL_TAG]}),
            new_markdown_cell("# Daily run"),
            code("day.sell()", error, step=True),
            new_markdown_cell("## Prices"),
        ],
    )
    summary = {"date": "2024-03-01", "exit_code": 1, "stops": [stop_row("AAA-USD")]}
    report = export_report(notebook, tmp_path / "report.html", summary=summary)
    page = report.read_text()

    assert "An exception!" not in page
    assert "Prices" not in page
    assert "the run failed; no orders, the only position under its stop" in page
    assert "AAA-USD" in page


def test_an_unreadable_notebook_changes_nothing(tmp_path: Path) -> None:
    """The error names the file; the old report stays."""
    broken, report = tmp_path / "daily_run.ipynb", tmp_path / "report.html"
    broken.write_text("{")
    report.write_text("old")

    with pytest.raises(StateError, match=r"daily_run\.ipynb"):
        export_report(broken, report)
    assert report.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["daily_run.ipynb", "report.html"]
