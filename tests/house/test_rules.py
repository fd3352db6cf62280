"""
Each rule of the trade has one home; the same thing written out elsewhere fails here.

A rule that stands twice drifts: what one side of a run allows, the other refuses.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass

import pytest

from tests.house.rooms import sources


@dataclass(frozen=True)
class Rule:
    """
    A rule's home as ``module:name``, and how a copy of it would read.

    `copy` is a regular expression that is found in the home, and in no other module but those
    of `elsewhere`, which mean something else by it.
    """

    home: str
    copy: str
    elsewhere: tuple[str, ...] = ()


LOTS = "tf_lib.core.orders.lots_and_ticks"
EXACT = "tf_lib.core.orders.build"
"""What is sent is sized in exact decimals; tests/core/test_steps.py holds both forms together."""
RULES = {
    "base and quote of a ticker": Rule(
        "tf_lib.text.tickers:base_of",
        r"""r?partition\(['"]-['"]\)|\.r?split\(['"]-['"]""",
        elsewhere=("tf_lib.simulator.faults.rules",),
    ),
    "fees are never below the configured ones": Rule(
        "tf_lib.core.model.account:fees_charged", r"maker=costs\.maker_fee|max\([^)]*(taker|maker)"
    ),
    "the widest spread that is traded on": Rule(
        "tf_lib.core.model.account:WIDEST_SPREAD", r"(?i)spread\w* = 0\.\d|\.mid > Decimal"
    ),
    "how long a cooldown lasts": Rule(
        "tf_lib.core.model.cooldown:is_within", r"0\)? <= \w[^<\n]* < \w*(days|length|cooldown)"
    ),
    "what lies within rounding of a holding": Rule(
        "tf_lib.core.model.records:Product",
        r"max\([\w.]*base_(increment|min_size), [\w.]*base_(increment|min_size)\)",
    ),
    "dust": Rule(
        f"{LOTS}:is_dust",
        r"DUST_MARGIN|(?<![\w.])1\.05\b",
        elsewhere=("tf_lib.simulator.matching.order",),  # how far a stop may trade
    ),
    "least order that the exchange takes": Rule(
        f"{LOTS}:is_below_least",
        r"[<>]=? [\w.\[\]]*(least_value|least_lots|quote_min_size|base_min_size)\b",
        # The simulated exchange judges by itself, in exact decimals.
        elsewhere=("tf_lib.simulator.matching.order_checks", "tf_lib.simulator.api.orders"),
    ),
    "limit under a level": Rule(
        f"{LOTS}:limit_ticks",
        r"\.(buffer|most)_numerator|limit_(buffer|max)_\w+\) / 10_000|\* 0\.02\b",
    ),
    "limit brought nearer to the level": Rule(
        "tf_lib.execution.stop_placement:StopPlacement", r"\b0\.995\b|_NEARER\b"
    ),
    "clamp below the last trade": Rule(f"{LOTS}:resting_ticks", r"CLAMP_TICKS|- 2 \* \w*tick"),
    "worthwhile raise": Rule(
        f"{LOTS}:is_worth_raising", r"\.raise_numerator|min_raise_bps\) / 10_000"
    ),
    "where a stop is moved up to": Rule(
        f"{LOTS}:raised_ticks", r"\.keeps_above_market|level_above_market =="
    ),
    "where a stop belongs today": Rule(
        "tf_lib.core.orders.stops:level_today", r"if (\w+\.)*ratchets?\b|max\(\w+, remembered\)"
    ),
    "the level of a stop strategy": Rule(
        "tf_lib.core.signals.stop_levels:STOP_STRATEGIES", r'"(chandelier|trail)_stop"'
    ),
    "what a stop is placed for": Rule(f"{LOTS}:is_protectable", r"stop_limit_ticks\([^)]*\) !="),
    "what a trim may leave": Rule(f"{LOTS}:can_stay", r"return not is_dust\("),
    "a rest too small for its own stop": Rule(
        f"{LOTS}:is_small_rest", r"is_beside and |beside\w* and not [\w.]*is_protectable"
    ),
    "which stop takes lots that have none": Rule(
        f"{LOTS}:slot_for_rest", r"third < second|smallest = "
    ),
    "least protectable size": Rule(f"{LOTS}:least_protectable", r"PILOT_MARGIN|\* 1\.1\b"),
    "pilot": Rule(f"{LOTS}:pilot_lots", r"MOST_PILOTS|<= 2 \* \w+"),
    "lots that cash pays for": Rule(
        f"{LOTS}:lots_paid_for", r"\(1(\.0)? \+ \w*\.?slippage\)", elsewhere=(EXACT,)
    ),
    "a notional in whole lots": Rule(
        f"{LOTS}:lots_for", r"notional\)*? / [\w.]*(mid|price)\b", elsewhere=(EXACT,)
    ),
    "a target that counts as zero": Rule(
        "tf_lib.core.sizing.gates:is_zero", r"LEAST_TARGET|< 1e-0?6\b"
    ),
    "trading rules of a config": Rule(
        "tf_lib.store.candle_csv:products_of", r"product_from_candles\(ticker"
    ),
    "orders whose end is not known": Rule(
        "tf_lib.store.ledger_state:LedgerState", r"not \(\w+(\.key)?\.leg\.is_stop and"
    ),
    "refusals that a wait may take away": Rule(
        "tf_lib.exchange.port:PASSING_REFUSALS",
        r"RefusalKind\.RATE, RefusalKind\.ACCESS|RefusalKind\.ACCESS, RefusalKind\.RATE",
    ),
    "what is left to sell at the market": Rule(
        "tf_lib.execution.market_exit:left_to_sell",
        # A buy that lacks funds is made smaller, a stop waits for its hold.
        r"= size - record\.filled_size|(left|size) -= record\.filled_size",
    ),
    "what of an order has not traded": Rule(
        "tf_lib.store.ledger_state:OrderRecord",
        r"base_size - \w*\.?filled_size",
        # As the exchange tells of an order just now, not as the ledger knows it.
        elsewhere=("tf_lib.exchange.port",),
    ),
    "the names of a product's rules": Rule(
        "tf_lib.core.model.records:PRODUCT_FLAGS", r'"cancel_only",\s+"limit_only"|== "bool"'
    ),
    "an exchange that cannot be reached": Rule(
        "tf_lib.app.connection:ExchangeEndpoint", r"the exchange at [^\n]* cannot be reached"
    ),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_stands_once(rule: Rule) -> None:
    """What a rule is made of is found in its home, and nowhere else."""
    home, _, name = rule.home.partition(":")

    found = {module for module, text in sources().items() if re.search(rule.copy, text)}

    assert hasattr(importlib.import_module(home), name)
    assert found - set(rule.elsewhere) == {home}
