"""
Set keys: text that names what the result of a parameter set depends on.

Part of a sweep (grid -> *study* -> evaluations). Settings that no backtest reads are left out by
name; whatever is added to the schema later counts until it is named here.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

from tf_lib.parameters import Config

# What no backtest reads, or what is the sweep's own.
_WITHOUT_EFFECT = ("portfolio", "exchange", "notifications", "data")
# Of the data section: which bars are believed is all that a backtest asks.
_BELIEF = "max_gap_to_live"
# Folders and modules of tf_lib whose code decides what evaluating a set gives.
_EVALUATING = ("core", "research", "text", "parameters", "errors", "public_list")
_PART_LENGTH = 16
_OWN = ("start_date", "end_date", "use_specific_start_date", "signal_start_date")
# Sizing only: signals and bars are the same whatever these say.
_SIZING_ONLY = frozenset(
    {
        "annualized_target_volatility",
        "rolling_cov_window",
        "rolling_sharpe_window",
        "cash_buffer_percentage",
        "risk_max_iterations",
        "risk_sleeve_budget_tolerance",
        "risk_optimizer_step",
        "risk_min_signal",
        "sleeve_risk_mode",
        "cap_mode",
        "cap_low",
        "cap_high",
        "cap_n_eff_threshold",
        "cap_use_metric",
        "cap_max_iter",
        "cap_tol",
        "covariance",
        "cap_leftover",
    }
)


def effective_text(config: Config) -> str:
    """Return everything a backtest reads, as canonical text."""
    mapping = config.model_dump(mode="json", exclude=set(_WITHOUT_EFFECT))
    mapping["data"] = {_BELIEF: config.data.max_gap_to_live}
    for name in _OWN:
        del mapping["run"][name]
    mapping["universe"]["tickers"] = list(config.universe.sorted_tickers)
    return json.dumps(mapping, sort_keys=True)


def signals_key(config: Config) -> str:
    """
    Return text that is equal for sets whose signals and stop levels are the same.

    Settings that only size, cap or execute are left out; whatever is added to the schema later
    counts until it is named here. It is short: every set of a sweep has one.
    """
    risk = config.risk_and_sizing.model_dump(mode="json", exclude=set(_SIZING_ONLY))
    run = config.run.model_dump(mode="json", exclude={*_OWN, "initial_capital"})
    signals = config.signals.model_dump(mode="json")
    for custom in signals["custom"].values():
        # Its sha256 says the same in fewer words.
        del custom["source"]
    # The slowest parts first: sets are sorted by this text, so that they change least often.
    parts = [
        config.universe.sorted_tickers,
        signals["filters"]["vol_of_vol"],
        signals["donchian"],
        signals["moving_average"],
        signals["filters"]["rolling_r2"],
        signals,
        risk,
        run,
        {_BELIEF: config.data.max_gap_to_live},
    ]
    return "".join(digest(json.dumps(part))[:_PART_LENGTH] for part in parts)


def digest(*parts: bytes | str) -> str:
    """Return a short name of some contents."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part.encode() if isinstance(part, str) else part)
        total.update(b"\0")
    return total.hexdigest()[:24]


@functools.cache
def code_edition() -> str:
    """
    Return a short name of the code that evaluates sets.

    Results of another edition may differ in the last digits or in more; they are not mixed.
    """
    files = code_files(Path(__file__).resolve().parents[2])
    return digest(*(path.read_bytes() for path in files))[:8]


def code_files(package: Path) -> list[Path]:
    """Return the sources below a package folder that decide what evaluating a set gives."""
    found = set()
    for name in _EVALUATING:
        found |= {*(package / name).rglob("*.py"), *package.glob(f"{name}.py")}
    return sorted(found)
