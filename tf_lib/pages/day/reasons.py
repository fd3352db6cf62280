"""Reasons: why a ticker trades or does not, in words and with the money that decided it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tf_lib.core.decision import Decision
from tf_lib.core.model.records import Reason
from tf_lib.core.sizing.gates import least_change, trade_rules
from tf_lib.pages import words


def why(decision: Decision, row: Mapping[str, Any]) -> str:
    """
    Return the reason of one ticker's row of a decision.

    Parameters
    ----------
    decision : Decision
    row : mapping
        Of ``decision.to_mapping()["tickers"]``.
    """
    if row["reason"] != Reason.BELOW_THRESHOLD:
        return words.reason_in_words(row["reason"])
    target = words.number(row["target_notional"])
    change = abs(target - words.number(row["current_notional"]))
    rules, equity = trade_rules(decision.config, None), decision.trades.equity
    floor = least_change(target, equity, rules)
    if change > floor:
        return (
            f"no trade: of a change of {words.money(change)} so little is left for the cash that "
            "is there that the exchange would refuse it"
        )
    what = f"{words.percent(rules.threshold, digits=0)} of equity"
    if floor <= rules.least_trade:
        what = "the least trade (min_trade_notional_abs)"
    elif target > equity:
        what = f"{words.percent(rules.threshold, digits=0)} of its target"
    return (
        f"no trade: the change of {words.money(change)} is below the {words.money(floor)} that is "
        f"worth its cost: {what}"
    )
