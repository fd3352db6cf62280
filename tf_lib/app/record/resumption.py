"""
Resumption: a plan that an earlier attempt of the day made and this one carries out.

What is executed is what the record shows: the plan, and all it was made from, come out of that
attempt's folder. What this attempt read of the account itself stands beside it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_lib.errors import StateError
from tf_lib.exchange.clock import wall_now
from tf_lib.store.run_folder import RunFolder

CONFIG, CANDLES, DATA, ACCOUNT = (
    "config.yaml",
    "inputs/candles.parquet",
    "inputs/data.json",
    "inputs/account.json",
)
INPUTS = (CONFIG, CANDLES, DATA, ACCOUNT)
SEALED = (CONFIG, ACCOUNT, CANDLES)
"""What a plan is made from: with its sha256 written beside it, no digit of it changes unseen."""

SEAL = "inputs/sha256.json"
ACCOUNT_NOW = "account_resumed.json"
"""The account as the attempt that resumed read it, as inputs/account.json is of the plan."""


def earlier_attempt(folder: RunFolder, plan: Mapping[str, Any] | None) -> Path | None:
    """
    Return the folder of the earlier attempt that made a frozen plan, if it is whole.

    Whole is what its seal says: a disk that lost a part of it must not keep the plan from being
    carried out.
    """
    if plan is None:
        return None
    found = folder.path.parent / "attempts" / str(plan["id"])
    is_there = all((found / name).is_file() for name in (*INPUTS, SEAL, "plan.json"))
    return found if is_there and not _is_broken(found) else None


def _is_broken(earlier: Path) -> bool:
    try:
        return bool(RunFolder(earlier, now=wall_now).broken_seals(SEAL))
    except (StateError, AttributeError):
        return True


def take_over(earlier: Path, folder: RunFolder) -> None:
    """Copy what an earlier attempt's plan was made from into the folder of this one."""
    for name in INPUTS:
        target = folder.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(earlier / name, target)
