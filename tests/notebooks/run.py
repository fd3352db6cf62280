"""One day of the demo in a folder of its own, as the notebooks need it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from tests.processes import ended

PROJECT = Path(__file__).resolve().parents[2]
MASTER = PROJECT / "notebooks" / "daily_run.ipynb"
EXPLORE = PROJECT / "notebooks" / "explore_run.ipynb"
REFERENCE = Path(__file__).parent / "reference" / "daily_run.ipynb"
REFERENCE_DATE = "2023-07-09"


def plain_environment(**more: str) -> dict[str, str]:
    """The caller's environment without settings, keys and tokens of runs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    return {**kept, "PYTHONPATH": str(PROJECT), **more}


def run_demo(folder: Path, *options: str) -> Path:
    """Run the demo's seeded market for the reference day without mail; return its run folder."""
    config = folder / "demo.yaml"
    base = PROJECT / "parameters" / "demo.yaml"
    config.write_text(f"extends: {base}\nnotifications: {{email: false}}\n")
    runs = folder / "runs"
    command = [sys.executable, "-m", "tf_lib", "run", "--config", str(config)]
    command += ["--date", REFERENCE_DATE, "--runs", str(runs), *options]
    code, out, err = ended(command, env=plain_environment(), cwd=folder, seconds=300)
    if code:
        raise RuntimeError(f"the demo ended with {code}: {out}{err}")
    return runs / "demo" / REFERENCE_DATE


def execute(notebook: Path, run_folder: Path) -> Any:
    """Execute a notebook by hand, as Jupyter would: unarmed, on a run's folder."""
    import nbformat
    from nbclient import NotebookClient

    cells = nbformat.read(notebook, as_version=4)
    client = NotebookClient(
        cells, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(run_folder)}}
    )
    client.execute(env=plain_environment(TF_RUN_DIR=str(run_folder)))
    return cells
