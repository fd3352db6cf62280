"""A renamed product: one history, on the new one's scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.app.profile import FEW_UNIVERSE
from tf_lib.core.model.renames import spliced
from tf_lib.parameters import UniverseSection
from tf_lib.store.candle_csv import read_universe

DAY = "2024-10-18"
TO_B = {"to": "B-USD", "from": DAY}


def universe(ratio: str, **more: object) -> UniverseSection:
    """Return a universe in which MAT became XTZ."""
    renamed = {"MAT-USD": {"to": "XTZ-USD", "from": DAY, "ratio": ratio}, **more}
    return UniverseSection.model_validate({**FEW_UNIVERSE, "renamed": renamed})


def bars(first: str, *closes: float) -> pd.DataFrame:
    """Return days of bars that stand still, 100 units traded."""
    days = pd.date_range(first, periods=len(closes), tz="UTC", name="date")
    values = {name: np.array(closes) for name in ("open", "high", "low", "close")}
    return pd.DataFrame(values | {"volume": np.full(len(closes), 100.0)}, index=days)


@pytest.mark.parametrize(("ratio", "price", "volume"), [("1", 8.0, 100.0), ("4", 2.0, 400.0)])
def test_old_bars_come_before_day_on_the_new_scale(ratio: str, price: float, volume: float) -> None:
    """What either product traded on the other's days is left out."""
    old, new = bars("2024-10-16", 8.0, 8.0, 99.0), bars("2024-10-17", 77.0, 2.1, 2.2)

    found = spliced({"MAT-USD": old, "XTZ-USD": new}, universe(ratio))

    assert list(found) == ["XTZ-USD"]
    assert found["XTZ-USD"]["close"].tolist() == [price, price, 2.1, 2.2]
    assert found["XTZ-USD"]["volume"].tolist() == [volume, volume, 100.0, 100.0]
    assert found["XTZ-USD"].index.is_monotonic_increasing


def test_without_old_bars_nothing_changes() -> None:
    """Its file need not be there."""
    new = bars("2024-10-17", 77.0, 2.1)

    pd.testing.assert_frame_equal(spliced({"XTZ-USD": new}, universe("1"))["XTZ-USD"], new)


def test_a_chain_of_renames_is_followed() -> None:
    """LEND became MAT, which became XTZ."""
    chain = {"LEND-USD": {"to": "MAT-USD", "from": "2024-10-17", "ratio": "2"}}
    older, old = bars("2024-10-16", 16.0), bars("2024-10-17", 8.0)
    frames = {"LEND-USD": older, "MAT-USD": old, "XTZ-USD": bars(DAY, 2.0)}

    found = spliced(frames, universe("4", **chain))

    assert found["XTZ-USD"]["close"].tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("renamed", "said"),
    [
        ({"MAT-USD": {"to": "NEW-USD", "from": DAY}}, "not in tickers"),
        ({"XTZ-USD": {"to": "BTC-USD", "from": DAY}}, "still in tickers"),
        ({"MAT-USD": {"to": "XTZ-USD", "from": DAY, "ratio": "0"}}, "above 0"),
        ({"MAT-USD": {"to": "XTZ-USD", "from": "soon"}}, "YYYY-MM-DD"),
        ({"A-USD": TO_B, "B-USD": {**TO_B, "to": "A-USD"}}, "not after it"),
    ],
)
def test_a_rename_that_leads_nowhere_is_refused(renamed: object, said: str) -> None:
    """Before anything else."""
    with pytest.raises(ValueError, match=said):
        UniverseSection.model_validate({**FEW_UNIVERSE, "renamed": renamed})


def test_a_candle_folder_is_read_with_the_old_product_if_its_file_is_there(tmp_path: Path) -> None:
    """As `decide`, `backtest` and `lookahead` read it."""
    header = "date,open,high,low,close,volume\n"
    for ticker in FEW_UNIVERSE["tickers"]:
        (tmp_path / f"{ticker}.csv").write_text(f"{header}{DAY},2,2,2,2,1\n")
    alone = read_universe(tmp_path, universe("4"))
    assert len(alone["XTZ-USD"]) == 1

    (tmp_path / "MAT-USD.csv").write_text(f"{header}2024-10-17,8,8,8,8,1\n{DAY},9,9,9,9,1\n")
    found = read_universe(tmp_path, universe("4"))

    assert sorted(found) == sorted(FEW_UNIVERSE["tickers"])
    assert found["XTZ-USD"]["close"].tolist() == [2.0, 2.0]
