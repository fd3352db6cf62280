"""
Report: the executed notebook as one HTML file that opens anywhere, also without a network.

Made with nbconvert's plainest template inside a page of our own: no script, no font and no
style is fetched. Code is left out, and so are the cells that only act; a cell that failed is
always shown, first of all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from tf_lib.errors import StateError

STEP_TAG = "step"
"""Tag of cells that act and show nothing: they stay in the notebook and leave the report."""

_ANSI = re.compile(r"\x1b\[[0-9;]*m")

CSS = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: #222;
       max-width: 68rem; margin: 0 auto; padding: 1rem; background: #fff; }
h1 { font-size: 1.5rem; margin: 0.4em 0; } h2 { font-size: 1.15rem; margin: 1.8em 0 0.3em; }
p { margin: 0.4em 0; max-width: 46rem; }
a { color: #0072b2; }
img { max-width: min(100%, 46rem); height: auto; display: block; margin: 0.6em 0; }
table { border-collapse: collapse; font-size: 0.84rem; font-variant-numeric: tabular-nums;
        margin: 0.5em 0; }
th, td { padding: 0.25em 0.7em 0.25em 0; border-bottom: 1px solid #e8e8e8; white-space: nowrap;
         vertical-align: top; }
th { color: #6b6b6b; font-weight: 600; }
td:last-child { white-space: normal; min-width: 12em; }
.tf-table td:first-child { position: sticky; left: 0; background: #fff; }
pre { font-size: 0.8rem; overflow-x: auto; margin: 0.3em 0; white-space: pre-wrap; }
.tf-scroll { overflow-x: auto; }
.tf-failed { border-left: 6px solid #d55e00; background: #fdeadd; padding: 0.7em 1em;
             margin: 0.6em 0; }
.tf-quiet { color: #6b6b6b; font-size: 0.85rem; }
tr.bad td, tr.bad td:first-child { background: #fde3d3; }
tr.warn td, tr.warn td:first-child { background: #fff4d6; }
@media print { body { max-width: none; } }
"""


def export_report(notebook_path: Path, html_path: Path) -> Path:
    """
    Write the HTML copy of an executed notebook; written beside and renamed.

    Parameters
    ----------
    notebook_path, html_path : Path

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
    failures = list(_failures(notebook.cells))
    notebook.cells = [cell for cell in notebook.cells if _is_shown(cell)]
    exporter = _untyped(HTMLExporter)(
        template_name="basic",
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    body, _ = exporter.from_notebook_node(notebook)
    title = f"{_title(notebook.cells)} {_date(notebook_path)}".strip()
    write_page(html_path, title, "".join(_failure_box(one) for one in failures) + body)
    return html_path


def _untyped(function: Any) -> Any:
    """Return a function of a library without types as it is."""
    return function


def write_page(path: Path, title: str, body: str) -> None:
    """Write a whole page around a body: beside, then renamed, so that no half page is seen."""
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(page, encoding="utf-8")
    part.replace(path)


def _is_shown(cell: Any) -> bool:
    """Whether a cell has something for a reader: not a step that went well."""
    is_step = STEP_TAG in cell.metadata.get("tags", [])
    return not is_step or any(_failures([cell]))


def _failures(cells: Iterable[Any]) -> Iterable[Any]:
    for cell in cells:
        for output in cell.get("outputs", []):
            if output.get("output_type") == "error":
                yield output


def _failure_box(output: Any) -> str:
    message = _ANSI.sub("", f"{output.get('ename')}: {output.get('evalue')}")
    return (
        '<div class="tf-failed"><strong>✗ This run did not finish.</strong> '
        f"{escape(message)}<br>Protection ran outside the notebook; the daily summary says what "
        "is held and under which stop.</div>\n"
    )


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
