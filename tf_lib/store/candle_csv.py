"""Candle folder: candles and products as files, one ``<PRODUCT>.csv`` per ticker."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tf_lib.core.candles.intraday_bars import IntradayBars
from tf_lib.core.candles.rows import parse_candles
from tf_lib.core.model.products import (
    BUILT_IN_PRODUCTS,
    parse_products,
    product_from_candles,
    products_for,
)
from tf_lib.core.model.records import Product
from tf_lib.core.model.renames import spliced
from tf_lib.errors import BarsError
from tf_lib.parameters import Config, UniverseSection
from tf_lib.text.days import day_from
from tf_lib.text.written import read_written

if TYPE_CHECKING:
    import pandas as pd


_TAIL_BYTES = 4096


def read_candle_folder(
    folder: Path, tickers: Iterable[str] | None = None
) -> dict[str, pd.DataFrame]:
    """
    Read the candles of the tickers asked for, or of every file in the folder.

    Parameters
    ----------
    folder : Path
        Holds one ``<PRODUCT>.csv`` per ticker (see `tf_lib.core.candles.rows`).
    tickers : iterable of str, optional
        Only these, and all of them.

    Returns
    -------
    dict of ticker to DataFrame
        By name; columns open, high, low, close, volume on a rising UTC index of open days.

    Raises
    ------
    BarsError
        If the folder or a file is missing, or a file is wrong: names the file and the line.
    """
    texts = read_candle_texts(folder, tickers)
    return {name: parse_candles(text, source=source) for name, (source, text) in texts.items()}


def read_universe(
    folder: Path, universe: UniverseSection, tickers: Iterable[str] | None = None
) -> dict[str, pd.DataFrame]:
    """
    Read the candles of a universe, each ticker with what it was before it was renamed.

    As `read_candle_folder`; the file of an old product need not be there.

    Parameters
    ----------
    tickers : iterable of str, optional
        Others than the universe's.
    """
    wanted = universe.sorted_tickers if tickers is None else tickers
    old = [name for name in universe.renamed if (folder / f"{name}.csv").is_file()]
    return spliced(read_candle_folder(folder, {*wanted, *old}), universe)


def read_candle_texts(
    folder: Path, tickers: Iterable[str] | None = None
) -> dict[str, tuple[str, str]]:
    """
    Return the name and the text of each candle file, without reading what it says.

    As `read_candle_folder`. Files of shorter candles (`read_intraday_texts`) are not among them.
    """
    if not folder.is_dir():
        is_file = folder.is_file()
        what = "is a file, not a candle folder" if is_file else "there is no such candle folder"
        raise BarsError(f"{folder}: {what}")
    found = {path.stem: path for path in sorted(folder.glob("*.csv")) if "." not in path.stem}
    if not found:
        raise BarsError(f"{folder}: holds no candle file, expected one <PRODUCT>.csv per ticker")
    wanted = sorted(found if tickers is None else set(tickers))
    missing = [ticker for ticker in wanted if ticker not in found]
    if missing:
        raise BarsError(
            f"{folder}: no candle file for {', '.join(missing)} (expected "
            f"{missing[0]}.csv); there are {', '.join(found)}"
        )
    return {name: (str(found[name]), _candles(found[name])) for name in wanted}


def last_day_of_candles(folder: Path, tickers: Iterable[str]) -> dt.date | None:
    """
    Return the last day that any of the tickers has, off the ends of their files.

    None where no file ends with a day; who reads them whole says what is wrong.
    """
    found = [_last_day(folder / f"{ticker}.csv") for ticker in tickers]
    return max((day for day in found if day is not None), default=None)


def _last_day(file: Path) -> dt.date | None:
    try:
        with file.open("rb") as opened:
            opened.seek(max(file.stat().st_size - _TAIL_BYTES, 0))
            lines = opened.read().decode("utf-8", "replace").split()
        return day_from(lines[-1].partition(",")[0])
    except (OSError, ValueError, IndexError):
        return None


def _candles(path: Path) -> str:
    return read_written(path, "candle file", error=BarsError)


def intraday_files(folder: Path, tickers: Collection[str] | None = None) -> list[Path]:
    """Return the files of shorter candles of the tickers asked for, or of all, by name."""
    found = sorted(folder.glob("*.*.csv"))
    return [path for path in found if tickers is None or path.name.partition(".")[0] in tickers]


def read_intraday_texts(
    folder: Path, tickers: Collection[str] | None = None
) -> dict[tuple[str, str], tuple[str, str]]:
    """Return name and text of each ``<PRODUCT>.<GRANULARITY>.csv``, by product and granularity."""
    found = {}
    for path in intraday_files(folder, tickers):
        product_id, _, granularity = path.stem.partition(".")
        found[product_id, granularity] = (str(path), _candles(path))
    return found


def read_intraday(folder: Path, tickers: Iterable[str] | None = None) -> dict[str, IntradayBars]:
    """
    Read the shorter candles that a folder has, of one length each.

    Parameters
    ----------
    folder : Path
        A candle folder; one that is not there has none.
    tickers : iterable of str, optional
        Only these.

    Raises
    ------
    BarsError
        If a file is wrong, or a product has candles of two lengths.
    """
    wanted = None if tickers is None else set(tickers)
    found: dict[str, IntradayBars] = {}
    for (name, granularity), (file, text) in read_intraday_texts(folder, wanted).items():
        if name in found:
            raise BarsError(f"{file}: {name} has shorter candles of two lengths; one is enough")
        found[name] = IntradayBars.from_text(text, granularity=granularity, source=file)
    return found


def read_products_file(path: Path) -> dict[str, Product]:
    """Read a products file, or say with file and line what is wrong (`ParameterError`)."""
    return parse_products(read_written(path, "products file"), source=str(path))


def products_of(
    config: Config, candles: Path | None, tickers: Iterable[str] | None = None
) -> dict[str, Product]:
    """
    Return trading rules: of the file that a config names, else built in, else by the candles.

    Parameters
    ----------
    candles : Path or None
        Folder whose files tell by their decimals what is nowhere else; None for no such folder.
    tickers : iterable of str, optional
        Default the config's.
    """
    named, wanted = config.exchange.products, tuple(tickers or config.universe.sorted_tickers)
    table = read_products_file(Path(named)) if named else {}
    for ticker in wanted:
        is_known = ticker in table or ticker in BUILT_IN_PRODUCTS
        if candles is not None and not is_known:
            text = (candles / f"{ticker}.csv").read_text(encoding="utf-8")
            table[ticker] = product_from_candles(ticker, text)
    return products_for(wanted, table)
