"""
Live inputs: everything that the plan of a day is made from, read from an exchange.

Reads believe nothing that contradicts the ledger. What they give is returned as one `Account`, so
that a replay can read it from a file.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

import pandas as pd

from tf_lib.app.daily.bar_doubts import data_impediments
from tf_lib.app.daily.prices import (
    believed_quotes,
    no_price_at_all,
    price_impediments,
    unpriced_share,
)
from tf_lib.core.candles.quarantine import Doubts
from tf_lib.core.model.account import MOST_UNPRICED, Account, fees_charged
from tf_lib.core.model.impediments import Impediment, ImpedimentKind
from tf_lib.core.model.order_life import OrderStage
from tf_lib.core.model.records import FeeRates, Holding, Quote
from tf_lib.core.model.renames import renames_of, spliced
from tf_lib.core.model.run_rows import problem
from tf_lib.core.signals.columns import Signals
from tf_lib.errors import EXIT_DONE, EXIT_FAILED, ExchangeError, HaltRun
from tf_lib.execution.ownership import unexplained_cash, wrong_currency
from tf_lib.execution.protect_all import ProtectAll
from tf_lib.execution.reconciliation import Reconciled, confirm
from tf_lib.store.candle_cache import CandleCache, CandleUpdate
from tf_lib.store.candle_doubts import read_doubts, remember_doubts

_OLD_BARS_ASKED_FOR = dt.timedelta(days=30)
"""So long the last bars of a product that was renamed are asked for; then they are not to come."""


@dataclass(kw_only=True)
class LiveInputs(ProtectAll):
    """
    What a day reads before it decides.

    Parameters
    ----------
    cache : CandleCache
        Daily candles on disk.
    """

    cache: CandleCache
    _no_entries: str = ""
    _account: Account | None = None
    _closes: Mapping[str, float] = field(default_factory=dict)

    def candles(self) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
        """Return candles through the day before, from the cache and what it lacks."""
        update = self._update_candles()
        self._splice(update)
        frames = update.frames.items()
        self._closes = {t: float(f["close"].iloc[-1]) for t, f in frames if len(f)}
        return dict(update.frames), {
            "requests": update.requests,
            "problems": list(update.problems),
            "revisions": [_plain(asdict(revision)) for revision in update.revisions],
        }

    def _splice(self, update: CandleUpdate) -> None:
        """Put the bars before a renamed product's own; they are asked for until they are there."""
        universe, day = self.sender.config.universe, self.sender.day
        for rename in renames_of(universe):
            last, kept = rename.day - dt.timedelta(days=1), self.cache.kept(rename.old)
            is_whole = kept is not None and len(kept) and kept.index[-1].date() >= last
            if kept is None or not (is_whole or day > rename.day + _OLD_BARS_ASKED_FOR):
                found = self.cache.update(self.sender.client, [rename.old], last, today=day)
                kept = found.frames.pop(rename.old)
                update.take(found)
            update.frames[rename.old] = kept
        update.frames = spliced(update.frames, universe)

    def _update_candles(self) -> CandleUpdate:
        sender = self.sender
        tickers = sender.config.universe.sorted_tickers
        return self.cache.update_when_closed(
            sender.client, tickers, sender.day, now=sender.now, pause=sender.pause
        )

    def doubts(self) -> Doubts:
        """Return the bars that earlier runs did not believe because of the live price."""
        found, wrong = read_doubts(self.cache.folder)
        if wrong:
            self.problems.append(problem(wrong))
        return found

    def note_doubts(self, known: Signals) -> None:
        """Remember the bars that are not believed, and say which stand in the way today."""
        self._remember(known.doubts)
        for found in data_impediments(known, self.sender.day):
            self.sender.impede(found)

    def _remember(self, doubts: Doubts) -> None:
        remember_doubts(self.cache.folder, doubts)

    def account(self) -> Account:
        """Read everything the plan needs, believing nothing that contradicts the ledger."""
        sender, config = self.sender, self.sender.config
        tickers = config.universe.sorted_tickers
        began = sender.now()
        self._last = self._read_products()
        reconciled = self._read_holdings()
        self._note_money(reconciled)
        self._confirm_first(reconciled)
        quotes = self._quotes()
        self._looked = sender.fresh.read(reconciled, at=began)
        self._account = Account(
            day=sender.day,
            read_at=sender.now(),
            quote_currency=config.universe.quote_currency,
            wallets=self._wallets(reconciled),
            quotes=quotes,
            products={t: sender.products[t] for t in tickers if t in sender.products},
            fees=self._fees(),
            open_stops=self._open_stops(),
            levels=dict(sender.ledger.state.levels),
            cooldowns=dict(sender.ledger.state.cooldowns),
            blocked=self._blocked(),
            exits=self._exits(reconciled),
            not_protectable=tuple(sorted({*self._unpriced, *self._not_protectable()})),
            no_buys=self._no_buys(quotes),
            halt=self.protect_only,
            paused=self._paused(),
            doubts=self.doubts(),
        )
        return self._account

    def _fees(self) -> FeeRates:
        """Return the account's fees; the configured ones when they cannot be read."""
        try:
            return self.sender.client.fee_rates()
        except ExchangeError as error:
            costs = self.sender.config.execution_and_costs
            self._impede(
                Impediment(
                    ImpedimentKind.FEES_UNREADABLE,
                    f"the account's fees cannot be read ({error}); reckoned with maker "
                    f"{costs.maker_fee}, taker {costs.taker_fee}",
                    "nothing, if these are not below your tier's; else set "
                    "execution_and_costs.maker_fee and taker_fee",
                )
            )
            self.problems.append(problem(f"the configured fees are used: {error}"))
            return fees_charged(costs, None)

    def _confirm_first(self, reconciled: Reconciled) -> None:
        """Write down the first totals of an account."""
        sender = self.sender
        if any(
            p.base_currency not in sender.ledger.state.confirmed for p in sender.products.values()
        ):
            confirm(sender, reconciled, sender.products.values())

    def _wallets(self, reconciled: Reconciled) -> dict[str, Holding]:
        """Return every wallet that holds something; unknown counts as the most it may be."""
        wallets = dict(reconciled.accounts)
        for name in reconciled.unknown:
            product = self.sender.products[name]
            listed, most = reconciled.holding(product), reconciled.most(product)
            free = max(listed.available, most - listed.hold)
            wallets[product.base_currency] = Holding(free, listed.hold)
        return {currency: wallet for currency, wallet in wallets.items() if wallet.total}

    def _quotes(self) -> dict[str, Quote]:
        """Return the prices that may be traded at; name the products that have none."""
        tickers = self.sender.config.universe.sorted_tickers
        # The exchange answers 404 to a list that names one product it does not know any more.
        listed = [ticker for ticker in tickers if ticker in self.sender.products]
        quotes, unpriced = believed_quotes(tickers, self.sender.client.quotes(listed), self._last)
        self._unpriced = {t: why for t, why in unpriced.items() if t in self.sender.products}
        for found in price_impediments(self._unpriced):
            self._impede(found)
        if not quotes:
            nothing = no_price_at_all(tickers)
            self._impede(nothing)
            self.problems.append(problem(nothing.why, severity="error", exit_code=EXIT_FAILED))
        return quotes

    def _unpriced_share(self, quotes: Mapping[str, Quote]) -> float:
        if self._reconciled is None:
            raise HaltRun("holdings were not read before they were needed")
        universe = self.sender.config.universe
        held = {
            t: (self.sender.products[t], self._held(t))
            for t in universe.sorted_tickers
            if t in self.sender.products
        }
        worth_of_one = {t: float(price) for t, price in self._last.items()} | dict(self._closes)
        cash = self._reconciled.accounts.get(universe.quote_currency)
        return unpriced_share(held, cash, quotes, worth_of_one)

    def _open_stops(self) -> dict[str, Decimal]:
        levels: dict[str, Decimal] = {}
        for order in self.sender.ledger.state.live_orders():
            if order.key.leg.is_stop and order.stage is OrderStage.WORKING:
                level = Decimal(order.body["stop_price"])
                levels[order.product_id] = max(level, levels.get(order.product_id, level))
        return levels

    def _blocked(self) -> dict[str, str]:
        reconciled = self._reconciled
        if reconciled is None:
            raise HaltRun("holdings were not read before they were needed")
        locked = self.sender.ledger.state.locked
        return {**self._unpriced, **reconciled.unknown, **reconciled.pending, **locked}

    def _exits(self, reconciled: Reconciled) -> dict[str, Decimal]:
        """Return the units that may be sold of products that are locked: a full exit of ours."""
        state = self.sender.ledger.state
        doubted = {*self._unpriced, *reconciled.unknown, *reconciled.pending}
        return {
            name: state.own_units(product.base_currency, reconciled.holding(product).total)
            for name, product in self.sender.products.items()
            if name in state.locked and name not in doubted
        }

    def _note_money(self, reconciled: Reconciled) -> None:
        """Tell of money that came, went, or lies in another currency."""
        moved = unexplained_cash(self.sender, reconciled)
        if moved is not None:
            self._impede(moved)
        wrong = wrong_currency(self.sender, reconciled)
        if wrong is not None:
            self._impede(wrong)
            is_idle = not any(reconciled.most(product) for product in self.sender.products.values())
            # With nothing held either there is nothing at all to trade with.
            severity = "error" if is_idle else "warning"
            code = EXIT_FAILED if is_idle else EXIT_DONE
            self.problems.append(problem(wrong.why, severity=severity, exit_code=code))

    def _not_protectable(self) -> set[str]:
        """Name the products whose stops the exchange does not take; return those to leave alone."""
        days = self.sender.config.execution_and_costs.cooldown_counter_threshold
        found = self.sender.ledger.state.not_protectable
        for product, one in found.items():
            why = f"not protectable since {one.since}: the exchange took no stop ({one.why})"
            what = "take it out of the universe, or read what the exchange asks of a stop-limit"
            kind = ImpedimentKind.NOT_PROTECTABLE
            self._impede(Impediment(kind, why, what, product=product, since=one.since))
        return {
            product
            for product, one in found.items()
            if one.is_left_alone(self.sender.day, days=days)
        }

    def _paused(self) -> str:
        """Return why a person lets only full exits be made today, or nothing."""
        wish, kind = self.sender.ledger.state.flatten, ImpedimentKind.FLATTEN_UNFINISHED
        if wish is not None:
            since = wish.begun_at.date()
            self._impede(Impediment(kind, wish.in_words, wish.what_to_do, since=since))
        pause = self.sender.ledger.state.paused_on(self.sender.day)
        if pause is None:
            return ""
        what = "nothing, if you still want it so; else: tf resume"
        kind = ImpedimentKind.PAUSED
        self._impede(Impediment(kind, pause.terms, what, since=pause.since))
        return pause.in_words

    def _no_buys(self, quotes: Mapping[str, Quote]) -> str:
        """Return why nothing may be bought today, or nothing."""
        why = self._no_buys_at(quotes)
        if why:
            what = "nothing: entries come back with what is missing"
            self._impede(Impediment(ImpedimentKind.NO_BUYS, f"nothing is bought: {why}", what))
        return why

    def _no_buys_at(self, quotes: Mapping[str, Quote]) -> str:
        unknown = self._reconciled.unknown if self._reconciled is not None else {}
        for product_id, why in unknown.items():
            if self._held(product_id):
                return f"the holding of {product_id} is unknown: {why}"
        for why in self._missing.values():
            return why
        share = self._unpriced_share(quotes)
        if share > MOST_UNPRICED:
            return f"holdings without a believable price are {share:.0%} of equity"
        return self._no_entries


def _plain(record: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v.isoformat() if isinstance(v, dt.date) else v for k, v in record.items()}
