"""Preflight: what must be right of key and portfolio before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass

from tf_lib.errors import PreflightRefused
from tf_lib.exchange.port import Line


@dataclass(frozen=True)
class AccountCheck:
    """What the preflight found."""

    portfolio_uuid: str
    portfolio_name: str
    clock_offset_seconds: float


def check_account(line: Line, portfolio_name: str) -> AccountCheck:
    """
    Check the key and the portfolio it is bound to; sends nothing that changes anything.

    Raises
    ------
    PreflightRefused
        If the key cannot view and trade, could transfer, or is bound to another portfolio.
    """
    key = line.key_permissions()
    if not (key.can_view and key.can_trade):
        raise PreflightRefused(
            f"the key must be able to view and trade; it has view {key.can_view}, "
            f"trade {key.can_trade}. Make a new key with both at the exchange."
        )
    if key.can_transfer:
        raise PreflightRefused(
            "the key can transfer money out; make one that can only view and trade, and delete it"
        )
    named = {p.uuid: p.name for p in line.portfolios() if not p.deleted}
    name = named.get(key.portfolio_uuid)
    if name != portfolio_name:
        raise PreflightRefused(
            f"the key is bound to portfolio {name or key.portfolio_uuid!r}; parameters want "
            f"{portfolio_name!r} (portfolio.name). Nothing was sent."
        )
    return AccountCheck(key.portfolio_uuid, name, 0.0)
