"""What a run's plan is made from, as its folder keeps it: parameters, candles, account."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from tf_lib.app.record.packed import unpacked
from tf_lib.app.record.resumption import ACCOUNT, CANDLES, CONFIG
from tf_lib.core.candles.rows import FIELDS
from tf_lib.core.model.account import Account
from tf_lib.errors import HaltRun, StateError, TfError
from tf_lib.parameters import Config, config_from_mapping
from tf_lib.store.run_folder import RunFolder
from tf_lib.text.written import read_yaml


def finished_run(path: Path) -> RunFolder:
    """Return the folder of a run that is over: it is read, and has no time of its own to write."""
    return RunFolder(unpacked(path), now=_no_clock)


def _no_clock() -> dt.datetime:
    raise StateError("a run that is over is not written to, so it has no time of its own")


def write_candles(folder: RunFolder, candles: Mapping[str, pd.DataFrame]) -> None:
    """Keep the candles that a decision is made from."""
    folder.write_frame(CANDLES, _long(candles), durable=True)


def _long(candles: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    tickers = sorted(candles)
    frames = [candles[ticker] for ticker in tickers]
    counts = [len(frame) for frame in frames]
    columns = {
        "ticker": np.repeat(np.array(tickers, dtype=object), counts),
        "date": frames[0].index.append([frame.index for frame in frames[1:]]),
    }
    for name in FIELDS:
        columns[name] = np.concatenate([frame[name].to_numpy() for frame in frames])
    return pd.DataFrame(columns)


def candles_from(folder: RunFolder) -> dict[str, pd.DataFrame]:
    """Read a run's candles as they went into its decision."""
    table = folder.read_frame(CANDLES)
    codes, tickers = pd.factorize(table["ticker"], sort=True)
    order = np.argsort(codes, kind="stable")
    days = pd.DatetimeIndex(table["date"].take(order), name="date")
    values = table[list(FIELDS)].to_numpy()[order]
    ends = np.searchsorted(codes[order], range(len(tickers) + 1))
    return {
        str(ticker): pd.DataFrame(values[begin:end], days[begin:end], list(FIELDS))
        for ticker, begin, end in zip(tickers, ends, ends[1:], strict=False)
    }


def account_from(folder: RunFolder) -> Account:
    """Read a run's account as it went into its decision."""
    record = folder.read_json(ACCOUNT)
    try:
        return Account.from_mapping(record)
    except (KeyError, ValueError, ArithmeticError, TfError) as error:
        raise HaltRun(f"{folder.path}/{ACCOUNT} cannot be read: {error!r}") from error


def day_of(folder: RunFolder) -> dt.date:
    """Return the day a run decided: of its account's reading, which is part of its inputs."""
    account = folder.read_json(ACCOUNT)
    try:
        return dt.date.fromisoformat(account["day"])
    except (KeyError, ValueError) as error:
        raise StateError(f"{folder.path}/{ACCOUNT} names no day: {error!r}") from None


def config_of(path: Path) -> Config:
    """Read the merged parameters of a run."""
    file = path / CONFIG
    if not file.exists():
        raise StateError(f"{file}: this run has no config.yaml")
    return config_from_mapping(read_yaml(file), source=str(file))
