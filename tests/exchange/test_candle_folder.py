"""Candle folders: all of what was asked for, or a name for what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tf_lib.errors import BarsError, ParameterError
from tf_lib.store.candle_csv import read_candle_folder, read_products_file

TEXT = "date,open,high,low,close,volume\n2024-01-01,1,2,1,1.5,3\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for ticker in ("BTC-USD", "ADA-USD"):
        (tmp_path / f"{ticker}.csv").write_text(TEXT, encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not a candle file", encoding="utf-8")
    return tmp_path


def test_every_file_or_only_those_asked_for(folder: Path) -> None:
    assert list(read_candle_folder(folder)) == ["ADA-USD", "BTC-USD"]
    assert list(read_candle_folder(folder, ["BTC-USD"])) == ["BTC-USD"]


def test_a_file_that_was_not_asked_for_is_not_read(folder: Path) -> None:
    (folder / "BAD-USD.csv").write_text("nonsense", encoding="utf-8")

    assert list(read_candle_folder(folder, ["ADA-USD"])) == ["ADA-USD"]
    with pytest.raises(BarsError, match=r"BAD-USD\.csv line 1"):
        read_candle_folder(folder)


def test_what_is_missing_is_named(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(BarsError, match=r"nowhere: there is no such candle folder"):
        read_candle_folder(folder / "nowhere")
    with pytest.raises(BarsError, match=r"BTC-USD\.csv: is a file, not a candle folder"):
        read_candle_folder(folder / "BTC-USD.csv")
    with pytest.raises(BarsError, match="holds no candle file"):
        read_candle_folder(tmp_path_factory.mktemp("empty"))
    with pytest.raises(BarsError, match=r"no candle file for XRP-USD \(expected XRP-USD\.csv\)"):
        read_candle_folder(folder, ["BTC-USD", "XRP-USD"])


def test_an_empty_file_is_named(folder: Path) -> None:
    (folder / "BTC-USD.csv").write_text("", encoding="utf-8")
    with pytest.raises(BarsError, match=r"BTC-USD\.csv: the candle file is empty"):
        read_candle_folder(folder, ["BTC-USD"])


def test_a_file_that_is_not_text_is_named(folder: Path) -> None:
    (folder / "BTC-USD.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BarsError, match=r"BTC-USD\.csv: cannot be read"):
        read_candle_folder(folder, ["BTC-USD"])


def test_a_products_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"products\.csv: there is no such products file"):
        read_products_file(tmp_path / "products.csv")
