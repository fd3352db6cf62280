"""
Renames: a coin that goes on under another product, its history spliced into one.

One unit of the old coin became `ratio` units of the new one on a day; before that day the bars
are the old product's, on the new one's scale. Live runs and backtests use this one function.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from tf_lib.parameters import UniverseSection

if TYPE_CHECKING:
    import pandas as pd

_PRICES = ["open", "high", "low", "close"]


@dataclass(frozen=True)
class Rename:
    """
    A product that goes on under another name.

    Attributes
    ----------
    old, new : str
        Products.
    day : date
        The first day of the new one.
    ratio : Decimal
        New units for one old unit.
    """

    old: str
    new: str
    day: dt.date
    ratio: Decimal


def renames_of(universe: UniverseSection) -> tuple[Rename, ...]:
    """Return a universe's renames, oldest first, so that a chain of them is followed."""
    found = [
        Rename(old, one.to, dt.date.fromisoformat(one.from_), Decimal(one.ratio))
        for old, one in universe.renamed.items()
    ]
    return tuple(sorted(found, key=lambda one: (one.day, one.old)))


def spliced(
    frames: Mapping[str, pd.DataFrame], universe: UniverseSection
) -> dict[str, pd.DataFrame]:
    """
    Return the bars of each product with those of the product it was before.

    Parameters
    ----------
    frames : mapping of product to DataFrame
        Daily bars on a rising UTC index. An old product that is absent adds nothing.

    Returns
    -------
    dict of product to DataFrame
        Without the old products. Before a rename's day the old bars, prices divided and volume
        multiplied by its ratio; from that day on the new product's own.
    """
    found = dict(frames)
    for rename in renames_of(universe):
        old, new = found.pop(rename.old, None), found.get(rename.new)
        if old is None or old.empty:
            continue
        found[rename.new] = _joined(old, new, rename)
    return found


def _joined(old: pd.DataFrame, new: pd.DataFrame | None, rename: Rename) -> pd.DataFrame:
    import pandas as pd

    begin = pd.Timestamp(rename.day, tz="UTC")
    before = old[old.index < begin].copy()
    ratio = float(rename.ratio)
    if ratio != 1.0:
        before[_PRICES] = before[_PRICES] / ratio
        before["volume"] = before["volume"] * ratio
    if new is None or new.empty:
        return before
    after = new[new.index >= begin]
    return pd.concat([before, after]) if len(before) else after
