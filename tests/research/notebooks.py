"""
The research notebooks on made-up inputs, and what they say.

After a change that is meant: ``python -m tests.research.notebooks`` writes the references anew;
read the difference before it is committed.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat

from tests.app.profile import FEW_UNIVERSE, Profile, write_parameters
from tests.research.sweeping import write_inputs

PROJECT = Path(__file__).resolve().parents[2]
NOTEBOOKS = PROJECT / "notebooks"
REFERENCES = Path(__file__).parent / "reference"
GRID = (
    "signals.moving_average.fast_mavg: [10, 20, 300]\n"
    "risk_and_sizing.atr_multiplier: [1.75, 2.5, 3.5]\n"
)
LIVE_DAYS = ("2023-07-05", "2023-07-06", "2023-07-07")


def execute(name: str, folder: Path, **parameters: Any) -> Any:
    """Execute a notebook through papermill; return it as it ended."""
    import papermill

    path = folder / name
    papermill.execute_notebook(
        str(NOTEBOOKS / name),
        str(path),
        parameters=parameters,
        cwd=str(PROJECT),
        progress_bar=False,
        log_output=False,
    )
    return nbformat.read(path, as_version=4)


def said_by(notebook: Any) -> str:
    """Return every output as text, cell by cell; pictures by their titles, folders left out."""
    said = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            text = output.get("text") or output.get("data", {}).get("text/plain", "")
            if output.get("name") != "stderr":
                said.append(f"[{cell.id}]\n{text.rstrip()}")
    return re.sub(r"/\S*/", "", "\n\n".join(said)) + "\n"


def backtest_notebook(folder: Path) -> Any:
    """The backtest of the small market of the tests."""
    config, _, candles = write_inputs(folder, GRID)
    paths = {"config": str(config), "candles": str(candles), "out": str(folder / "out")}
    return execute("research_backtest.ipynb", folder, **paths)


def sweep_notebook(folder: Path) -> Any:
    """The sweep on the small market of the tests."""
    config, grid, candles = write_inputs(folder, GRID)
    paths = {"config": str(config), "grid": str(grid), "candles": str(candles)}
    return execute("research_sweep.ipynb", folder, **paths, out=str(folder / "out"), workers=1)


def shadow_notebook(folder: Path) -> Any:
    """Live against backtest on three days of the demo's market."""
    profile = Profile(write_parameters(folder / "few.yaml", universe=FEW_UNIVERSE), folder / "runs")
    for day in LIVE_DAYS:
        code, said = profile.run(day)
        if code:
            raise RuntimeError(said)
    return execute("live_vs_backtest.ipynb", folder, profile_dir=str(profile.folder))


MADE = {
    "research_backtest": backtest_notebook,
    "research_sweep": sweep_notebook,
    "live_vs_backtest": shadow_notebook,
}


def main() -> None:
    """Write the references."""
    REFERENCES.mkdir(exist_ok=True)
    for name, make in MADE.items():
        with tempfile.TemporaryDirectory() as folder:
            said = said_by(make(Path(folder)))
        (REFERENCES / f"{name}.txt").write_text(said, encoding="utf-8")
        print(f"{name}: {len(said.splitlines())} lines")


if __name__ == "__main__":
    main()
