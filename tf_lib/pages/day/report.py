"""
Report: the executed notebook as one HTML file that opens anywhere, also without a network.

Made with nbconvert's plainest template inside a page of our own: no script, no font and no
style is fetched. Code is left out, and so are the cells that only act; a cell that failed is
always shown, first of all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from tf_lib.errors import StateError
from tf_lib.pages.day.summary_page import summary_fragment
from tf_lib.pages.page import write_page

STEP_TAG = "step"
"""Tag of cells that act and show nothing: they stay in the notebook and leave the report."""
PAPERMILL_TAG = "papermill-error-cell-tag"
"""Tag of the banners that papermill adds to a notebook that failed."""

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def export_report(
    notebook_path: Path, html_path: Path, *, summary: Mapping[str, Any] | None = None
) -> Path:
    """
    Write the HTML copy of an executed notebook; written beside and renamed.

    Parameters
    ----------
    notebook_path, html_path : Path
    summary : mapping, optional
        The daily summary. It tells of a run whose notebook did not get to its tables what is held
        and under which stops.

    Raises
    ------
    StateError
        If the notebook cannot be read.
    """
    import nbformat
    from nbconvert.exporters import HTMLExporter

    try:
        notebook = _untyped(nbformat.read)(notebook_path, as_version=4)
    except (OSError, ValueError) as error:
        raise StateError(f"{notebook_path}: is not a readable notebook: {error}") from error
    title = f"{_title(notebook.cells)} {_date(notebook_path)}".strip()
    failure = next((output for cell in notebook.cells for output in _errors(cell)), None)
    notebook.cells = [cell for cell in _until_failure(notebook.cells) if _is_shown(cell)]
    exporter = _untyped(HTMLExporter)(
        template_name="basic",
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    body, _ = exporter.from_notebook_node(notebook)
    write_page(html_path, title, _failure_part(failure, summary) + body)
    return html_path


def _untyped(function: Any) -> Any:
    """Return a function of a library without types as it is."""
    return function


def _until_failure(cells: Iterable[Any]) -> Iterator[Any]:
    """Yield the cells up to the one that failed: what stands below it never ran."""
    for cell in cells:
        yield cell
        if any(_errors(cell)):
            return


def _is_shown(cell: Any) -> bool:
    """Whether a cell has something for a reader: not a step that went well, not a banner."""
    tags = cell.metadata.get("tags", [])
    if PAPERMILL_TAG in tags:
        return False
    return STEP_TAG not in tags or any(_errors(cell))


def _errors(cell: Any) -> Iterator[Any]:
    for output in cell.get("outputs", []):
        if output.get("output_type") == "error":
            yield output


def _failure_part(failure: Any, summary: Mapping[str, Any] | None) -> str:
    """Return what stands above the page of a run that did not finish."""
    if failure is None:
        return ""
    message = _ANSI.sub("", f"{failure.get('ename')}: {failure.get('evalue')}")
    box = (
        '<div class="tf-failed"><strong>✗ This run did not finish.</strong> '
        f"{escape(message)}<br>Protection ran outside the notebook; the daily summary says what "
        "is held and under which stop.</div>\n"
    )
    return box if summary is None else f"{box}{summary_fragment(summary).html}\n<hr>\n"


def _title(cells: Iterable[Any]) -> str:
    """Return the first heading."""
    for cell in cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return str(cell.source.splitlines()[0][2:]).strip()
    return "Report"


def _date(notebook_path: Path) -> str:
    """Return the run folder's name, which is its day."""
    name = notebook_path.resolve().parent.name
    return name if re.match(r"\d{4}-\d{2}-\d{2}", name) else ""
