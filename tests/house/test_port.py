"""The port keeps the exchange apart: its types are ours, and one factory knows the adapter."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house import rooms
from tf_lib.exchange.port import Exchange

ADAPTER = "tf_lib.exchange.coinbase"
FACTORY = "tf_lib.exchange.factory"
NAMES_IT = {
    FACTORY: "it opens it",
    "tf_lib": "says what this is",
    "tf_lib.app.cli": "says what this is",
    "tf_lib.app.connection": "reads exchange.kind, which a user writes",
    "tf_lib.parameters.sections": "reads exchange.kind, which a user writes",
    "tf_lib.notify.mail_text": "tells a user where to look",
}
MOST_METHODS = 12
_CODE = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")


def modules() -> Iterator[tuple[str, str]]:
    """Yield name and source of every module but the adapter's and the simulator's."""
    for name, source in rooms.sources().items():
        if not f"{name}.".startswith((f"{ADAPTER}.", "tf_lib.simulator.")):
            yield name, source


def texts(source: str) -> Iterator[str]:
    """Yield every piece of text that stands in a module's code, docstrings too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def codes_of(sources: list[str]) -> set[str]:
    """Return the exchange's own words: what is written like a code in the adapter's texts."""
    return {code for source in sources for text in texts(source) for code in _CODE.findall(text)}


def imports_adapter(source: str) -> bool:
    """Whether a module imports the adapter, wherever the import stands."""
    names = [name for _, name in rooms.imported_names(ast.parse(source), "tf_lib.x")]
    return any(name == ADAPTER or name.startswith(f"{ADAPTER}.") for name in names)


def test_the_port_has_twelve_methods() -> None:
    """Reads and sends together."""
    parts = [part for part in Exchange.__mro__ if part.__module__ == Exchange.__module__]
    methods = {name for part in parts for name in vars(part) if callable(vars(part)[name])}

    assert len({name for name in methods if not name.startswith("_")}) <= MOST_METHODS


def test_only_the_factory_imports_the_adapter() -> None:
    """Whoever wants another exchange changes one module."""
    found = [name for name, source in modules() if imports_adapter(source)]

    assert found == [FACTORY]


def test_only_who_must_names_the_exchange() -> None:
    """A name in a text is a dependency too."""
    named = {n for n, source in modules() if "coinbase" in _without_research(source)}

    assert named <= set(NAMES_IT)


def _without_research(source: str) -> str:
    """Return a module in small letters, without the one setting of the research notebooks."""
    return source.lower().replace("use_coinbase_data", "")


def test_no_code_of_the_exchange_outside_of_its_folder() -> None:
    """The adapter turns them into our own kinds."""
    own = [text for name, text in rooms.sources().items() if f"{name}.".startswith(f"{ADAPTER}.")]
    codes = codes_of(own)
    found = [
        f"{name}: {code}"
        for name, source in modules()
        for text in texts(source)
        for code in sorted(codes & set(_CODE.findall(text)))
    ]

    assert {"STOP_PENDING", "INSUFFICIENT_FUND"} <= codes
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "from tf_lib.exchange.coinbase.client import Coinbase",
        "def late():\n    import tf_lib.exchange.coinbase",
    ],
)
def test_an_import_of_the_adapter_is_seen(source: str) -> None:
    """At the top or inside a function."""
    assert imports_adapter(source)
