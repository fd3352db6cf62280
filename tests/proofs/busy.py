"""
The busy days that the proofs are played on: one market, and the evenings before two of its days.

On the first a position is trimmed, one is entered with a pilot, one is added to and stops are
raised; on the second one is sold out and one is entered. The days before are done once for all.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator

from tests.proofs.crash import Scene, prepare
from tests.proofs.dirt import ODD_ROWS
from tests.proofs.markets import QUICK_SECTIONS, wandering, write_market
from tests.proofs.stage import Stage, scratch_folder, stage
from tests.proofs.story import BUSY, EXIT_DAY, FIRST

SEED, DAYS = 1, 160
SCENES = {"two-way": BUSY, "exit": EXIT_DAY}


@contextlib.contextmanager
def busy_stage() -> Iterator[Stage]:
    """Yield a stage on the market of the busy days, before the first of them."""
    folder = scratch_folder()
    try:
        candles = write_market(folder / "candles", wandering(SEED, DAYS))
        with stage(candles, FIRST, faults=ODD_ROWS, **QUICK_SECTIONS) as made:
            made.keep("beginning")
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def scene_of(made: Stage, name: str) -> Scene:
    """Do the days before a busy day and keep its evening."""
    made.put_back(made.folder / "kept" / "beginning")
    return prepare(made, name, FIRST, SCENES[name])
