"""
Each rule of the trade has one home; the same thing written out elsewhere fails here.

A rule that stands twice drifts: what one side of a run allows, the other refuses.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass

import pytest

from tests.house.rooms import modules
from tf_lib.project import ROOT


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


RULES = {
    "base and quote of a ticker": Rule(
        "tf_lib.text.tickers:base_of",
        r'r?partition\("-"\)|\.split\("-"\)',
        elsewhere=("tf_lib.simulator.faults.rules", "tf_lib.exchange.coinbase.scope"),
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
    "orders whose end is not known": Rule(
        "tf_lib.store.ledger_state:LedgerState", r"not \(\w+(\.key)?\.leg\.is_stop and"
    ),
}

SOURCES = {name: path.read_text(encoding="utf-8") for name, path in modules(ROOT).items()}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_stands_once(rule: Rule) -> None:
    """What a rule is made of is found in its home, and nowhere else."""
    home, _, name = rule.home.partition(":")

    found = {module for module, text in SOURCES.items() if re.search(rule.copy, text)}

    assert hasattr(importlib.import_module(home), name)
    assert found - set(rule.elsewhere) == {home}
