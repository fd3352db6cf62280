"""The line: the wire with what belongs to the connection itself: time, key and portfolios."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from tf_lib.errors import UnknownState
from tf_lib.exchange.coinbase.values import (
    amount,
    optional_text,
    records_of,
    required_text,
    utc_time_of_seconds,
)
from tf_lib.exchange.coinbase.wire import Wire
from tf_lib.exchange.port import KeyPermissions, PortfolioRef


class CoinbaseLine(Wire):
    """The connection of one key."""

    def server_time(self) -> dt.datetime:
        """Return the exchange's own time, to the millisecond."""
        answer = self.get("/time", public=True)
        milliseconds = amount(answer.get("epochMillis"), what="exchange time")
        told = utc_time_of_seconds(milliseconds / 1000, what="exchange time")
        self.heard_time.hear(told)
        return told

    def key_permissions(self) -> KeyPermissions:
        """Return what the key may do; anything but a clear yes or no is unknown."""
        answer = self.get("/key_permissions")
        flags = {name: answer.get(name) for name in ("can_view", "can_trade", "can_transfer")}
        for name, value in flags.items():
            if not isinstance(value, bool):
                raise UnknownState(f"key permissions: {name} must be a bool, got {value!r:.40}")
        uuid = required_text(answer, "portfolio_uuid", what="key permissions")
        return KeyPermissions(
            can_view=flags["can_view"] is True,
            can_trade=flags["can_trade"] is True,
            can_transfer=flags["can_transfer"] is True,
            portfolio_uuid=uuid,
        )

    def portfolios(self) -> list[PortfolioRef]:
        """Return the account's portfolios; a key may see more than it can trade."""
        answer = self.get("/portfolios")
        return [
            PortfolioRef(
                name=optional_text(record, "name"),
                uuid=required_text(record, "uuid", what="portfolio"),
                deleted=record.get("deleted", False) is not False,
            )
            for record in records_of(answer, "portfolios", what="portfolios")
            if optional_text(record, "uuid")
        ]

    def advance_simulated(self, seconds: float) -> None:
        """Let time pass on a simulated exchange whose clock stands still; no other takes it."""
        self.read(
            "POST /simulator/advance",
            lambda client: client.post("/simulator/advance", data={"seconds": seconds}),
        )


class PublicLine(CoinbaseLine):
    """Puts every read on the path that needs no key."""

    def get(
        self, path: str, params: Mapping[str, Any] | None = None, *, public: bool = False
    ) -> dict[str, Any]:
        """Read one path as the public market has it."""
        where = f"/market{path}" if path.startswith("/product") else path
        return super().get(where, params, public=True)
