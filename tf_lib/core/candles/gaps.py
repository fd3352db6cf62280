"""
Gaps: how far a price fell from close to open, and what that means for a stop's limit.

A stop-limit fills nothing while the price is below its limit. How often a product opened below
where the limit lies now, and by how much, is what its own history says of that risk. Daily bars
show the jump from one day's close to the next day's open and no other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tf_lib.core.jit.arrays import FloatArray


@dataclass(frozen=True)
class GapRisk:
    """
    What past opens say of a limit that lies so far below the price.

    Attributes
    ----------
    opens : int
        Opens that were looked at.
    beyond : int
        Those that lay below where the limit lies now.
    shortfall : float
        How much further below they lay on average, as a fraction of the close before; 0 when
        there was none.
    """

    opens: int
    beyond: int
    shortfall: float


def gap_risk(opens: FloatArray, closes: FloatArray, limit_distance: float) -> GapRisk:
    """
    Return how past opens lay against a limit at `limit_distance` below the last price.

    Parameters
    ----------
    opens, closes : array of shape (n_days,)
        Finished bars, oldest first, in quote currency. A row that is no number is left out.
    limit_distance : float
        Fraction of the price by which the limit lies below it.

    Examples
    --------
    Of three nights one opened 10 % lower, which is 6 % beyond a limit 4 % away.

    >>> import numpy as np
    >>> risk = gap_risk(np.array([100, 99, 90, 91.0]), np.array([100, 100, 91, 92.0]), 0.04)
    >>> risk.opens, risk.beyond, round(risk.shortfall, 3)
    (3, 1, 0.06)
    """
    before, after = np.asarray(closes[:-1], dtype=float), np.asarray(opens[1:], dtype=float)
    known = np.isfinite(before) & np.isfinite(after) & (before > 0)
    fall = 1.0 - after[known] / before[known]
    over = fall[fall > limit_distance] - limit_distance
    mean = float(over.mean()) if over.size else 0.0
    return GapRisk(int(fall.size), int(over.size), mean)
