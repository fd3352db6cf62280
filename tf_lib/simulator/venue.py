"""Everything a request can see and change: one account of the exchange with its portfolios."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from decimal import Decimal

from tf_lib.core.model.records import Quote
from tf_lib.simulator.matching.balances import Wallets
from tf_lib.simulator.matching.edits import Edits
from tf_lib.simulator.matching.engine import Matching
from tf_lib.simulator.matching.oddities import Oddities
from tf_lib.simulator.prices.catalogue import Catalogue

_NAMESPACE = uuid.UUID("6f1c0c52-3c1c-4c39-8f5e-5d7f2f0f7c11")


@dataclass(frozen=True)
class Portfolio:
    """A portfolio: name, id, and kind (DEFAULT or CONSUMER)."""

    name: str
    uuid: str
    type: str


@dataclass(frozen=True)
class KeyRights:
    """What the one API key may do, and the portfolio it is bound to."""

    portfolio: Portfolio
    can_trade: bool = True
    can_transfer: bool = False


@dataclass
class Venue:
    """
    The exchange as one customer's key sees it.

    Attributes
    ----------
    matching : Matching
        Orders and fills of the portfolio the key is bound to.
    edits : Edits
        Edits of its orders.
    catalogue : Catalogue
    portfolios : tuple of Portfolio
    books : dict of portfolio uuid to Wallets
    rights : KeyRights
    opened : int
        When the account was made, in microseconds since 1970.
    """

    matching: Matching
    catalogue: Catalogue
    portfolios: tuple[Portfolio, ...]
    books: dict[str, Wallets]
    rights: KeyRights
    opened: int
    edits: Edits = field(init=False)

    def __post_init__(self) -> None:
        self.edits = Edits(self.matching)

    @property
    def user_id(self) -> str:
        """Id of the customer."""
        return derived_uuid("user", self.portfolios[0].uuid)

    @property
    def oddities(self) -> Oddities:
        """What the answers show beside what is true."""
        return self.matching.world.oddities

    def shown_as(self, product_id: str, where: str) -> str:
        """Return the name under which a reply of this kind shows a product."""
        if where not in self.matching.world.canonical:
            return product_id
        return self.catalogue.alias_of.get(product_id, product_id)

    def account_uuid(self, currency: str, portfolio_uuid: str) -> str:
        """Id of a wallet."""
        return derived_uuid("account", portfolio_uuid, currency)

    def quote(self, product_id: str) -> Quote | None:
        """Bid and ask one tick around the last trade or the odd middle; None before it lists."""
        last = self.matching.last_price(product_id)
        if last is None:
            return None
        tick = self.catalogue[product_id].price_increment
        away = Decimal(self.oddities.book(product_id).get("away", 0))
        middle = last if away == 0 else round(last * (1 + away) / tick) * tick
        bid = middle - tick if middle > tick else middle / 2
        return Quote(bid=bid, ask=middle + tick, last=last)


def derived_uuid(*parts: str) -> str:
    """Return an id that follows from its parts, so that equal exchanges have equal ids."""
    return str(uuid.uuid5(_NAMESPACE, "|".join(parts)))
