"""Preflight: what must be right of key and portfolio before anything is sent."""

from __future__ import annotations

from tf_lib.errors import PreflightRefused
from tf_lib.exchange.port import Line, PortfolioRef


def check_account(line: Line, portfolio_name: str) -> PortfolioRef:
    """
    Return the portfolio that the key is bound to; sends nothing that changes anything.

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
    bound = {p.uuid: p for p in line.portfolios() if not p.deleted}.get(key.portfolio_uuid)
    if bound is None or bound.name != portfolio_name:
        found = bound.name if bound is not None else ""
        raise PreflightRefused(
            f"the key is bound to portfolio {found or key.portfolio_uuid!r}; parameters want "
            f"{portfolio_name!r} (portfolio.name). Nothing was sent."
        )
    return bound
