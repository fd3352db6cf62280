"""What a product's past opens say of a limit below its price."""

from __future__ import annotations

import numpy as np
import pytest

from tf_lib.core.candles.gaps import gap_risk

OPENS = np.array([100.0, 99.0, 90.0, 80.0, 100.0])
CLOSES = np.array([100.0, 100.0, 100.0, 100.0, 100.0])


def test_the_mean_is_of_the_opens_beyond_the_limit() -> None:
    """1, 10 and 20 % lower and one level; a limit 5 % away: (5 % + 15 %) / 2 beyond it."""
    risk = gap_risk(OPENS, CLOSES, 0.05)

    assert (risk.opens, risk.beyond) == (4, 2)
    assert risk.shortfall == pytest.approx(0.10)


def test_no_open_was_ever_that_low() -> None:
    risk = gap_risk(OPENS, CLOSES, 0.5)

    assert (risk.beyond, risk.shortfall) == (0, 0.0)


def test_a_bar_that_is_no_number_is_left_out() -> None:
    """Neither a night of no fall nor one of a whole fall."""
    opens, closes = OPENS.copy(), CLOSES.copy()
    opens[2], closes[2] = np.nan, np.nan
    risk = gap_risk(opens, closes, 0.05)

    assert (risk.opens, risk.beyond) == (2, 0)


@pytest.mark.parametrize("count", [0, 1])
def test_a_market_that_has_just_begun(count: int) -> None:
    """There was no night yet."""
    risk = gap_risk(OPENS[:count], CLOSES[:count], 0.05)

    assert (risk.opens, risk.shortfall) == (0, 0.0)
