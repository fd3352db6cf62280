"""
Thirty days in a dirty world, through the simulated exchange over real HTTP.

Judged by the exchange's own file and by what the run said, not by what the run believes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from tests.app.profile import Profile, write_parameters
from tests.oracle.exchange_state import ExchangeState
from tests.proofs import dirty_world as world
from tests.proofs.silence import silent

TRADES = ("en", "pi", "tr", "ex")


@dataclass(frozen=True)
class Past:
    """One of the thirty days: its number, exit code, words, and what stood unprotected after it."""

    number: int
    code: int
    said: str
    unprotected: list[str]


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Profile]:
    """Return a profile in a dirty world that has never run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
        folder = tmp_path_factory.mktemp("dirty")
        yield Profile(written(folder, world.UNIVERSE), folder / "runs")


def written(folder: Path, universe: object) -> Path:
    exchange = {"faults": "world.yaml"}
    config = write_parameters(folder / "dirty.yaml", universe=universe, exchange=exchange)
    schedule = yaml.safe_dump(world.schedule(), sort_keys=False)
    (folder / "world.yaml").write_text(schedule, encoding="utf-8")
    return config


@pytest.fixture(scope="module")
def month(profile: Profile) -> list[Past]:
    """Live the thirty days; the person names the renamed coin some days after it was told."""
    days = []
    for number in range(world.DAYS):
        if number == world.NAMED:
            written(profile.config.parent, world.renamed_universe())
        code, said = profile.run(world.day(number))
        days.append(Past(number, code, said, unprotected(profile, number)))
    return days


def unprotected(profile: Profile, number: int) -> list[str]:
    """Return what is wrong with the stops of all that is ours, under whatever name."""
    day = world.day(number)
    try:
        account = profile.json(day, "inputs/account.json")
    except FileNotFoundError:
        return ["the day has no account"]
    first = profile.rules(world.FIRST_DAY)
    rules = {world.NEW: first[world.OLD], **first, **profile.rules(day)}
    last = {name: Decimal(quote["last"]) for name, quote in account["quotes"].items()}
    return ours(profile.exchange()).wrong_with(rules, last)


def ours(exchange: ExchangeState) -> ExchangeState:
    """Return the exchange without the wallet of a coin that nobody here trades."""
    wallets = {name: wallet for name, wallet in exchange.wallets.items() if name != "DOGE"}
    return replace(exchange, wallets=wallets)


def test_no_unprotected_position_at_the_end_of_a_day_that_exits_with_0(month: list[Past]) -> None:
    well = [day for day in month if day.code == 0]
    assert [(day.number, day.unprotected) for day in well if day.unprotected] == []


def test_every_wanted_exit_is_made_or_named_on_the_day(month: list[Past], profile: Profile) -> None:
    """And no day with an impediment is called done."""
    rules = profile.rules(world.day(0)) | profile.rules(world.day(world.DAYS - 1))
    assert list(silent(profile.exchange(), profile.folder, rules)) == []


def test_no_day_ends_in_an_error_of_ours(month: list[Past], profile: Profile) -> None:
    """Busy midnights, odd rows and odd books are what they are: no day is lost to them."""
    for day in month:
        assert "Traceback" not in day.said
        state = profile.summary(world.day(day.number))["state"]
        assert state == "unprotected" if day.code == 3 else state in ("done", "attention"), day.said


def test_a_renamed_coin_is_unknown_until_the_person_names_it(month: list[Past]) -> None:
    """Exit 3 on each day between, and the new name in no stop of ours before it was said."""
    between = month[world.RENAMED + 1 : world.NAMED]
    assert [day.code for day in between] == [3] * len(between)
    assert all(world.OLD in day.said for day in between)
    assert [day.code for day in month[world.NAMED :] if day.code == 3] == []


def test_the_strategy_trades_all_the_while(month: list[Past], profile: Profile) -> None:
    """Dirt of a few cents keeps nobody from the rest."""
    filled = [o for o in profile.exchange().orders if o.is_own and o.filled and o.leg in TRADES]
    assert len({o.day for o in filled}) >= 5
    assert {day.code for day in month} <= {0, 1, 3}
    assert [day.number for day in month if day.code == 0]
