"""Opening: an exchange put together from its settings, new or from its memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tf_lib.core.model.records import Product
from tf_lib.errors import ParameterError, StateError
from tf_lib.simulator.dispatcher import Engine
from tf_lib.simulator.faults.account_events import AccountEvent, Calendar, RenameEvent, renames
from tf_lib.simulator.faults.rules import FaultPlan
from tf_lib.simulator.faults.scheduled_events import plant, set_delays
from tf_lib.simulator.matching.balances import Wallets
from tf_lib.simulator.matching.engine import Matching
from tf_lib.simulator.matching.pricing import Costs, one_tier
from tf_lib.simulator.prices.catalogue import LISTED, Catalogue, renamed_rules, rules_for
from tf_lib.simulator.prices.day_bars import DayBars
from tf_lib.simulator.prices.simulated_market import Market
from tf_lib.simulator.settings import SimulatorSettings
from tf_lib.simulator.storage.state import VERSION, State
from tf_lib.simulator.venue import KeyRights, Portfolio, Venue, derived_uuid


def open_state(engine: Engine, state: State, starting_cash: Decimal) -> None:
    """Put a stored exchange back, or make a new one with its starting cash."""
    venue = engine.venue
    if state.meta("version"):
        _restore(venue, state)
        return
    named = venue.portfolios[1]
    for owner, wallets in venue.books.items():
        wallets.deposit("USD", starting_cash if owner == named.uuid else Decimal(0))
    engine.save(
        {
            "version": VERSION,
            "portfolio_uuid": named.uuid,
            "portfolio_name": named.name,
            "opened": str(venue.opened),
        }
    )


def _restore(venue: Venue, state: State) -> None:
    matching = venue.matching
    for owner, wallets in venue.books.items():
        state.restore_wallets(owner, wallets)
    matching.agenda.restore(state.events(), int(state.meta("event_count", "0")))
    for product_id, jump in state.jumps():
        matching.market.plant_jump(product_id, jump)
    for product_id, name, value in state.flags():
        venue.catalogue.flip(product_id, name, value)
    matching.restore(state.orders(), state.fills())
    partial = json.loads(state.meta("partial_fills", "{}"))
    matching.world.partial_fills = {name: Decimal(text) for name, text in partial.items()}
    matching.world.failures = json.loads(state.meta("failures", "{}"))
    venue.oddities.restore(state.meta("oddities"))
    fees = state.meta("changed_fees")
    if fees:
        maker, taker = (Decimal(text) for text in fees.split())
        matching.costs = one_tier(matching.costs.slippage, maker, taker)


def begin_world(engine: Engine, state: State, world: Mapping[str, Any]) -> None:
    """Set the delays of a schedule; plant what has a moment, unless this state already has it."""
    changed_fees = state.meta("changed_fees")
    set_delays(
        engine.venue, {k: v for k, v in world.items() if k != "fee_tiers" or not changed_fees}
    )
    fingerprint = hashlib.sha256(repr(world).encode()).hexdigest()
    if not world or state.meta("world") == fingerprint:
        return
    for product_id, jump in plant(engine.venue, world):
        engine.plant_jump(product_id, jump)
    engine.save({"world": fingerprint})


def begin_events(engine: Engine, state: State, events: Sequence[AccountEvent]) -> None:
    """Plant the account events of a schedule that this state has not seen yet."""
    known = json.loads(state.meta("account_events", "[]"))
    if events or known:
        planted = Calendar(engine.venue, events).plant(known, engine.now())
        engine.save({"account_events": json.dumps(planted)})


def _portfolios(settings: SimulatorSettings, state: State) -> tuple[Portfolio, ...]:
    place = str(settings.state_file.resolve()) if settings.state_file else "memory"
    made = derived_uuid("portfolio", place, str(settings.seed), settings.portfolio_name)
    named = state.meta("portfolio_uuid", made)
    name = state.meta("portfolio_name", settings.portfolio_name)
    default = Portfolio("Default", derived_uuid("default", named), "DEFAULT")
    return default, Portfolio(name, named, "CONSUMER")


def _products_and_market(
    settings: SimulatorSettings, traded: Mapping[str, bool], plan: FaultPlan
) -> tuple[Catalogue, Market]:
    """Put products and prices together; what was traded before stays in a made-up market."""
    bars: dict[str, DayBars] | None = None
    renamed = renames(plan.events)
    if settings.candles is not None:
        bars = {
            name: each if isinstance(each, DayBars) else DayBars.from_frame(name, each)
            for name, each in settings.candles.items()
        }
    else:
        traded = {**traded, **dict.fromkeys((each.product for each in renamed), True)}
    coming = tuple(each for each in renamed if bars is None or each.to not in bars)
    names = {each.to for each in coming}
    tickers = sorted({*(bars if bars is not None else (*settings.tickers, *traded))} - names)
    rules: dict[str, Product] = rules_for(tickers, settings.products, bars)
    if bars is None:
        from tf_lib.simulator.prices.synthetic import synthetic_bars

        ticks = {name: product.price_increment for name, product in rules.items()}
        bars = synthetic_bars(tickers, seed=settings.seed, ticks=ticks)
    _add_renamed(coming, settings.products, rules, bars)
    homeless = [n for n, is_live in traded.items() if is_live and n not in bars]
    if homeless:
        names_of = ", ".join(sorted(homeless))
        raise StateError(f"the state holds live orders in {names_of}, which has no candles here")
    twins = _twins(rules) if plan.world.get("usdc_aliases") is True else {}
    catalogue = Catalogue(rules, twins)
    for each in coming:
        catalogue.flip(each.to, LISTED, False)
    return catalogue, Market(bars, rules, settings.intraday, twins)


def _twins(rules: Mapping[str, Product]) -> dict[str, str]:
    """List every ``X-USD`` as ``X-USDC``, too: the same book, paid with USDC."""
    twins = {f"{name}C": name for name in rules if name.endswith("-USD")}
    return {twin: name for twin, name in twins.items() if twin not in rules}


def _add_renamed(
    coming: Sequence[RenameEvent],
    given: Mapping[str, Product],
    rules: dict[str, Product],
    bars: dict[str, DayBars],
) -> None:
    """Let each coin that gets a new name go on under it, at its price of then."""
    for each in coming:
        if each.product not in bars:
            raise ParameterError(f"events: rename: no product {each.product!r}")
        rule = given.get(each.to) or renamed_rules(rules[each.product], each.to, each.ratio)
        before = bars[each.product]
        if each.day > before.day[-1]:
            raise ParameterError(f"events: rename: no candles of {each.product} from that day on")
        rules[each.to] = rule
        bars[each.to] = before.renamed(ratio=each.ratio, first=each.day, tick=rule.price_increment)


def make_venue(settings: SimulatorSettings, state: State, now: int, plan: FaultPlan) -> Venue:
    """Put the exchange together: products, market, portfolios, and the key's rights."""
    catalogue, market = _products_and_market(settings, state.traded_products(), plan)
    portfolios = _portfolios(settings, state)
    books = {portfolio.uuid: Wallets() for portfolio in portfolios}
    bound = portfolios[1]
    costs = one_tier(settings.slippage, settings.maker_fee, settings.taker_fee)
    if settings.fee_tiers:
        costs = Costs(settings.slippage, settings.fee_tiers)
    matching = Matching(
        market,
        catalogue,
        books[bound.uuid],
        portfolio_uuid=bound.uuid,
        costs=costs,
        now=now,
    )
    matching.world.price_band = settings.price_band
    matching.world.depth_usd = settings.depth_usd
    rights = KeyRights(bound, can_trade=settings.can_trade, can_transfer=settings.can_transfer)
    return Venue(
        matching, catalogue, portfolios, books, rights, int(state.meta("opened", str(now)))
    )
