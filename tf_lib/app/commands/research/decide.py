"""The ``decide`` command: one pure decision from files, as plain values; it touches nothing."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

from tf_lib.core.candles.bars import lag_bars
from tf_lib.core.candles.quarantine import live_on
from tf_lib.core.decision import decide, with_last_closes
from tf_lib.core.model.records import PortfolioState
from tf_lib.core.signals.columns import check_custom, signals
from tf_lib.errors import ParameterError
from tf_lib.parameters import Config, load_config
from tf_lib.store.candle_csv import products_of, read_universe
from tf_lib.text.days import day_from
from tf_lib.text.shown import shown, shown_key
from tf_lib.text.written import check_keys, read_written

_KEYS = ("cash", "positions", "mid_prices", "cooldowns", "open_stops")
_Value = TypeVar("_Value")


def decide_command(
    config_path: Path, candles_dir: Path, as_of: dt.date, portfolio_path: Path
) -> dict[str, Any]:
    """
    Decide one day from files.

    Parameters
    ----------
    config_path : Path
        Parameter file.
    candles_dir : Path
        Candle folder; only the config's tickers are read, only bars before `as_of` used.
    as_of : date
        The day to decide.
    portfolio_path : Path
        JSON with cash, positions, mid_prices, cooldowns, open_stops; each may be absent.

    Returns
    -------
    dict
        docs/design.md section 13: as_of, tickers, portfolio, sleeves. Undefined numbers are None.

    Raises
    ------
    ParameterError, BarsError
        Naming the file and the key or line.
    """
    config = load_config(config_path)
    portfolio = read_portfolio(portfolio_path, config)
    candles = read_universe(candles_dir, config.universe)
    bars = lag_bars(candles, as_of=as_of)
    known = signals(bars, config, live=live_on(bars, as_of, portfolio.mid_prices))
    at = known.row_of(as_of)
    check_custom(known, config, slice(at, at + 1))
    decision = decide(
        bars,
        with_last_closes(portfolio, known, as_of=as_of),
        config,
        as_of=as_of,
        products=products_of(config, None),
        computed=known,
    )
    return decision.to_mapping()


def read_portfolio(path: Path, config: Config) -> PortfolioState:
    """Read a portfolio file strictly: a wrong key or number is named with the file."""
    content = _json(path)
    check_keys(content, _KEYS, str(path))
    return PortfolioState(
        cash=_amount(content.get("cash", "0"), f"{path}: cash"),
        positions=_by_ticker(content, "positions", path, config, _amount),
        mid_prices=_by_ticker(content, "mid_prices", path, config, _price),
        cooldowns=_by_ticker(content, "cooldowns", path, config, _day),
        open_stops=_by_ticker(content, "open_stops", path, config, _price),
    )


def _json(path: Path) -> dict[str, Any]:
    text = read_written(path, "portfolio file")
    try:
        content = json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, path))
    except RecursionError:
        raise ParameterError(f"{path}: is not valid JSON: nested too deep") from None
    except ValueError as error:
        raise ParameterError(f"{path}: is not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise ParameterError(f"{path}: expected an object with {', '.join(_KEYS)}")
    return content


def _once(pairs: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ParameterError(f"{path}: {shown_key(doubled[0])}: this key stands twice")
    return dict(pairs)


def _by_ticker(
    content: dict[str, Any],
    key: str,
    path: Path,
    config: Config,
    read: Callable[[object, str], _Value],
) -> dict[str, _Value]:
    entries = content.get(key, {})
    if not isinstance(entries, dict):
        raise ParameterError(f"{path}: {key}: expected an object of tickers, got {shown(entries)}")
    tickers = config.universe.sorted_tickers
    for ticker in entries:
        if ticker not in tickers:
            raise ParameterError(
                f"{path}: {key}.{shown_key(ticker)}: unknown ticker; "
                f"the config has {', '.join(tickers)}"
            )
    return {ticker: read(value, f"{path}: {key}.{ticker}") for ticker, value in entries.items()}


def _amount(value: object, where: str) -> float:
    """A finite number of at least 0, written as a decimal in quotes."""
    try:
        number = Decimal(value) if isinstance(value, str) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise ParameterError(
            f'{where}: expected a decimal in quotes of at least 0, as "0.05", got {shown(value)}'
        )
    return float(number)


def _price(value: object, where: str) -> float:
    number = _amount(value, where)
    if number == 0:
        raise ParameterError(f"{where}: expected a price above 0, got {shown(value)}")
    return number


def _day(value: object, where: str) -> dt.date:
    try:
        return day_from(value)
    except ValueError as error:
        raise ParameterError(f"{where}: {error}, got {shown(value)}") from None
