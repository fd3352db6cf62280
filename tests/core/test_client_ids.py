"""Client ids: one per logical order, unlike every other, and read back without the ledger."""

from __future__ import annotations

import datetime as dt
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_lib.core.model.client_ids import Leg, LegKey, client_id, is_own, parse_client_id
from tf_lib.core.model.records import Side
from tf_lib.errors import TfError

UUID = "4bd1d5ae-24e8-5bd8-b797-72fc4b01e402"
DAY = dt.date(2024, 3, 1)
KEY = LegKey(DAY, "BTC-USD", Side.SELL, Leg.STOP_CORE)

keys = st.builds(
    LegKey,
    st.dates(dt.date(2020, 1, 1), dt.date(2068, 12, 31)),
    st.from_regex(r"[A-Z0-9]{1,10}-USD", fullmatch=True),
    st.sampled_from(Side),
    st.sampled_from(Leg),
)
ordinals = st.integers(1, 999_999)


def test_the_form_by_hand() -> None:
    """Prefix, day, leg and ordinal, and the first half of a sha256 over what it is for."""
    text = f"{UUID}|2024-03-01|BTC-USD|SELL|sc|7"
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]

    assert client_id(UUID, KEY, 7) == f"tf1-240301-sc7-{digest}"


@given(key=keys, ordinal=ordinals)
def test_it_fits_and_reads_back(key: LegKey, ordinal: int) -> None:
    """The exchange takes 36 letters; day, leg and ordinal are told without a ledger."""
    text = client_id(UUID, key, ordinal)
    parsed = parse_client_id(text)

    assert len(text) <= 36
    assert parsed is not None
    assert (parsed.day, parsed.leg, parsed.ordinal) == (key.day, key.leg, ordinal)
    assert is_own(text)


@given(one=st.tuples(keys, ordinals), other=st.tuples(keys, ordinals))
def test_two_orders_never_share_one(one: tuple[LegKey, int], other: tuple[LegKey, int]) -> None:
    """Another account, day, product, side, leg or ordinal is another id."""
    same = one == other

    assert (client_id(UUID, *one) == client_id(UUID, *other)) is same
    assert client_id(UUID, *one) != client_id(UUID[::-1], *one)


@pytest.mark.parametrize("ordinal", [0, -1, 1_000_000])
def test_ordinal_out_of_range(ordinal: int) -> None:
    """Named with its product and leg."""
    with pytest.raises(TfError, match=rf"BTC-USD sc: ordinal must be 1 to 999999, got {ordinal}"):
        client_id(UUID, KEY, ordinal)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tf1-240301-sc1-4e16da92bb4f122",  # a digit short
        "tf1-240301-sc1-4e16da92bb4f12222",
        "tf1-240301-zz1-4e16da92bb4f1222",  # no such leg
        "tf1-241301-sc1-4e16da92bb4f1222",  # no such month
        "tf1-240230-sc1-4e16da92bb4f1222",  # no such day
        "tf2-240301-sc1-4e16da92bb4f1222",
        "TF1-240301-sc1-4e16da92bb4f1222",
        "tf1-240301-sc1-4E16DA92BB4F1222",
        " tf1-240301-sc1-4e16da92bb4f1222",
        "3f1c0a4e-9b7e-4a53-8f8e-1f3d7c0b2a11",
    ],
)
def test_ids_of_others(text: str) -> None:
    """Anything that is not exactly ours is somebody else's."""
    assert parse_client_id(text) is None
    assert not is_own(text)


def test_legs_by_what_they_are_for() -> None:
    """Each leg is a stop, a rebalance or an emergency; only lost positions cool down."""
    stops = {leg for leg in Leg if leg.is_stop}
    rebalance = {leg for leg in Leg if leg.is_rebalance}

    assert stops == {Leg.STOP_CORE, Leg.STOP_ADD}
    assert rebalance == {Leg.ENTRY, Leg.PILOT, Leg.TRIM, Leg.EXIT, Leg.DUST}
    assert {leg for leg in Leg if leg.ends_in_cooldown} == stops | {Leg.EMERGENCY}
    assert stops | rebalance | {Leg.EMERGENCY} == set(Leg)
