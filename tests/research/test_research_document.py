"""docs/research.md tells what the code computes."""

from __future__ import annotations

import re

import pytest

from tests.app.profile import REAL_PRODUCTS
from tests.core.build import REAL_CANDLES
from tests.research.figures import BEGIN, DOCUMENT, END, figures, written
from tf_lib.pages.research.backtest_report import _FIGURES

MAKE = "meant? make it anew: python -m tests.research.figures"


@pytest.mark.slow
def test_the_figures_are_those_of_the_code() -> None:
    """On the real candles beside the project."""
    if not (any(REAL_CANDLES.glob("*.csv")) and REAL_PRODUCTS.exists()):
        pytest.skip("no real candles and products stand beside the project (../shared)")
    document = DOCUMENT.read_text(encoding="utf-8")

    assert written(document, figures()) == document, MAKE


def test_the_tables_are_there_and_every_figure_is_explained() -> None:
    """What the report shows by name can be looked up."""
    document = DOCUMENT.read_text(encoding="utf-8")
    tables = document.split(BEGIN)[1].split(END)[0]
    explained = set(re.findall(r"`([a-z_]+)`", document))

    assert "points" in tables
    assert set(_FIGURES) - {"best_day", "worst_day", "trades"} <= explained
