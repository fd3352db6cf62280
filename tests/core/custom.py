"""Components of a user's own, as tests write them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.core.build import PROJECT

PAGE = PROJECT / "docs" / "strategy.md"
HEAD = "import numpy as np\n\n\n"


def shown(language: str) -> str:
    """Return the block of a language in the part of the page on components of one's own."""
    part = PAGE.read_text(encoding="utf-8").split("## A component of your own")[1]
    found = re.search(rf"```{language}\n(.*?)```", part, re.DOTALL)
    assert found is not None
    return found[1]


def of(body: str, **entry: Any) -> dict[str, Any]:
    """Return the parameters of a component ``mine`` whose function has this body."""
    source = f"{HEAD}def mine(panel, **told):\n    {body}\n"
    return {"mine": {"component": "own:mine", "source": source, **entry}}


def write_example(folder: Path) -> Path:
    """Write the file that the page shows."""
    path = folder / "my_signals.py"
    path.write_text(shown("python"), encoding="utf-8")
    return path
