"""Where orders may go."""

from __future__ import annotations

from typing import Any

import pytest

from tf_lib.app.connection import check_endpoint
from tf_lib.errors import ParameterError, PreflightRefused
from tf_lib.parameters import ExchangeSection, load_config
from tf_lib.project import profile_file


@pytest.mark.parametrize(
    ("profile", "exchange", "may"),
    [
        ("live", {"kind": "coinbase"}, True),
        ("mine", {"kind": "coinbase"}, False),
        ("live", {"kind": "coinbase", "base_url": "api.coinbase.com.example.com"}, False),
        ("live", {"kind": "simulated", "base_url": "api.coinbase.com"}, False),
        ("live", {"kind": "paper", "base_url": "api.coinbase.com"}, False),
        ("mine", {"kind": "coinbase", "base_url": "127.0.0.1:8443"}, True),
    ],
)
def test_where_orders_may_go(profile: str, exchange: dict[str, Any], may: bool) -> None:
    """One way leads to real money, and it has to be called by its name."""
    config = load_config(profile_file("demo"))
    section = ExchangeSection.model_validate({"clock": "wall", **exchange})
    config = config.model_copy(update={"exchange": section})

    if may:
        check_endpoint(config, profile)
    else:
        with pytest.raises(PreflightRefused, match="Nothing was sent"):
            check_endpoint(config, profile)


@pytest.mark.parametrize("profile", ["live", "mine"])
def test_the_real_exchange_has_no_schedule_of_mishaps(profile: str) -> None:
    """What is made for tests is refused where money is real, and may name a simulated one."""
    config = load_config(profile_file("demo"))

    def check(**exchange: Any) -> None:
        section = ExchangeSection.model_validate({"faults": "F.yaml", **exchange})
        check_endpoint(config.model_copy(update={"exchange": section}), profile)

    check(kind="simulated")
    check(kind="coinbase", base_url="127.0.0.1:8443")
    with pytest.raises(ParameterError, match=r"exchange.faults: F.yaml: .* take the line out"):
        check(kind="coinbase")
