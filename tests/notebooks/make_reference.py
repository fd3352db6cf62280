"""
Make the reference of the master notebook anew: ``python -m tests.notebooks.make_reference``.

Do that after a change that is meant to change what the page says, and read the difference
before it is committed. Pictures are left out (they are not compared; their titles are).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import nbformat

from tests.notebooks.run import MASTER, REFERENCE, execute, run_demo


def reference_of(cells: Any) -> Any:
    """Return an executed notebook without pictures, times and traces of the machine."""
    cells.metadata.pop("widgets", None)
    cells.metadata["language_info"] = {"name": "python"}
    for cell in cells.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("image/png", None)
            output.get("metadata", {}).clear()
    return cells


def main() -> None:
    """Run the demo for the reference day and write the executed notebook."""
    with tempfile.TemporaryDirectory() as folder:
        run_folder = run_demo(Path(folder))
        cells = reference_of(execute(MASTER, run_folder))
    REFERENCE.parent.mkdir(exist_ok=True)
    REFERENCE.write_text(nbformat.writes(cells, indent=1) + "\n", encoding="utf-8")
    print(f"{REFERENCE}: {REFERENCE.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
