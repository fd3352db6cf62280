"""Asking: one fact's request over HTTPS, and what in the answer is not as the fact says."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests
import yaml
from coinbase.jwt_generator import build_rest_jwt

from tests.contract.shapes import differences, found_at, unnamed_keys

PREFIX = "/api/v3/brokerage"
REAL_HOST = "api.coinbase.com"
PREVIEWS = ("/orders/preview", "/orders/edit_preview")
_FIELDS = {
    *("name", "request", "status", "shape", "equal"),
    *("question", "says", "record", "public", "simulator_only"),
}


@dataclass(frozen=True)
class Fact:
    """
    One thing that is known, or believed, of the exchange.

    Attributes
    ----------
    method, path, query, body : the request
        Texts may hold names in braces, see `Asker.learn`.
    status : int
    shape : any
        See `tests.contract.shapes`.
    equal : mapping of dotted path to value
    question : int or None
        Number of the open question this is about: a difference is then news, not a fault.
    says : text
        Where it is from, or what the question is.
    record : str
        Dotted path of the answer that is worth showing; ``status`` is the status.
    is_public, simulator_only : bool
    """

    name: str
    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    status: int = 200
    shape: Any = "any"
    equal: Mapping[str, Any] = field(default_factory=dict)
    question: int | None = None
    says: str = ""
    record: str = ""
    is_public: bool = False
    simulator_only: bool = False

    @property
    def is_harmless(self) -> bool:
        """Whether it can be asked of the real exchange: it reads, or previews."""
        reads = self.method == "GET" or (self.method == "POST" and self.path in PREVIEWS)
        return reads and not self.simulator_only


def read_facts(path: Path) -> list[Fact]:
    """Read facts.yaml; shapes may name one of its ``shapes``."""
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [_fact(row, loaded["shapes"]) for row in loaded["facts"]]


def _fact(row: Mapping[str, Any], shapes: Mapping[str, Any]) -> Fact:
    unknown = set(row) - _FIELDS
    if unknown:
        raise ValueError(f"{row.get('name')}: unknown keys {sorted(unknown)}")
    method, _, path = row["request"][0].partition(" ")
    rest = row["request"][1] if len(row["request"]) > 1 else {}
    return Fact(
        name=row["name"],
        method=method,
        path=path,
        query=rest if method == "GET" else {},
        body=rest if method == "POST" else None,
        status=row.get("status", 200),
        shape=_filled(row.get("shape", "any"), shapes),
        equal=row.get("equal", {}),
        question=row.get("question"),
        says=row.get("says", ""),
        record=row.get("record", ""),
        is_public=row.get("public", False),
        simulator_only=row.get("simulator_only", False),
    )


def _filled(shape: Any, shapes: Mapping[str, Any]) -> Any:
    """Put named shapes in the places of their names (``$order``)."""
    if isinstance(shape, str) and shape.startswith("$"):
        return _filled(shapes[shape[1:]], shapes)
    if isinstance(shape, dict):
        return {key: _filled(inner, shapes) for key, inner in shape.items()}
    return [_filled(inner, shapes) for inner in shape] if isinstance(shape, list) else shape


@dataclass(frozen=True)
class Finding:
    """What came of one fact."""

    fact: Fact
    status: int
    faults: tuple[str, ...]
    news: tuple[str, ...]
    recorded: Any


class Asker:
    """
    Sends the requests of facts to one exchange.

    Parameters
    ----------
    base_url : str
        Host, with its port where it needs one.
    key_file : Path
        As Coinbase hands it out.
    ca_file : Path or None
        Certificate authority of a simulated exchange.
    may_change : bool
        Send requests that change something. Refused for any host but loopback.
    """

    def __init__(
        self, base_url: str, key_file: Path, *, ca_file: Path | None, may_change: bool = False
    ) -> None:
        if may_change and not base_url.startswith("127.0.0.1:"):
            raise ValueError(f"{base_url}: only a simulated exchange is asked to change anything")
        key = json.loads(key_file.read_text(encoding="utf-8"))
        self._name, self._secret = key["name"], key["privateKey"]
        self._base_url, self._may_change = base_url, may_change
        self._session = requests.Session()
        if ca_file is not None:
            self._session.trust_env = False
            self._session.verify = str(ca_file)
        self.known: dict[str, str] = {}

    def close(self) -> None:
        """Close the line."""
        self._session.close()

    def learn(self) -> None:
        """Look up what requests name in braces: prices, ids, moments."""
        last = Decimal(self._json("/market/products/BTC-USD", is_public=True)["price"])
        rights = self._json("/key_permissions")
        orders = self._json("/orders/historical/batch?limit=1")["orders"]
        now = int(self._json("/time", is_public=True)["epochSeconds"])
        day = now - now % 86_400
        self.known = {
            name: f"{last * Decimal(share):.2f}"
            for name, share in (("low", "0.8"), ("lower", "0.79"), ("high", "1.2"))
        } | {
            "portfolio": rights["portfolio_uuid"],
            "account": self._json("/accounts?limit=1")["accounts"][0]["uuid"],
            "order": orders[0]["order_id"] if orders else "",
            "day": str(day),
            "349_days_ago": str(day - 349 * 86_400),
            "350_days_ago": str(day - 350 * 86_400),
            "2_days_ago": str(day - 2 * 86_400),
            "now": str(now),
        }

    @property
    def rights(self) -> Mapping[str, Any]:
        """Return what the key may do."""
        return dict(self._json("/key_permissions"))

    def ask(self, fact: Fact) -> Finding | None:
        """Send a fact's request and compare; None if the account has not what it needs."""
        if not (fact.is_harmless or self._may_change):
            raise ValueError(f"{fact.name}: this would change something")
        path, query = self._named(fact.path), self._named(fact.query)
        if path is None or query is None:
            return None
        status, payload = self._send(
            fact.method, path, query, self._named(fact.body), is_public=fact.is_public
        )
        return _finding(replace(fact, equal=self._named(fact.equal)), status, payload)

    def _named(self, value: Any) -> Any:
        """Put known values in the places of their names; None where one is not there."""
        if isinstance(value, dict):
            return {key: self._named(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._named(inner) for inner in value]
        if not isinstance(value, str):
            return value
        names = re.findall(r"\{(\w+)\}", value)
        if any(not self.known[name] for name in names):
            return None
        return re.sub(r"\{(\w+)\}", lambda found: self.known[found[1]], value)

    def _json(self, path: str, *, is_public: bool = False) -> Any:
        status, payload = self._send("GET", path, {}, None, is_public=is_public)
        if status != 200:
            raise ValueError(f"GET {path}: {status} {payload!r:.200}")
        return payload

    def _send(
        self, method: str, path: str, query: Mapping[str, Any], body: Any, *, is_public: bool
    ) -> tuple[int, Any]:
        bare = f"{PREFIX}{path}".partition("?")[0]
        headers = {"Content-Type": "application/json"}
        if not is_public:
            token = build_rest_jwt(f"{method} {self._base_url}{bare}", self._name, self._secret)
            headers["Authorization"] = f"Bearer {token}"
        answer = self._session.request(
            method,
            f"https://{self._base_url}{PREFIX}{path}",
            params=dict(query),
            data=None if body is None else json.dumps(body),
            headers=headers,
            timeout=(5, 20),
            allow_redirects=False,
        )
        if self._base_url == REAL_HOST:
            time.sleep(0.3)  # far below any known limit
        try:
            return answer.status_code, answer.json()
        except requests.exceptions.JSONDecodeError:
            return answer.status_code, answer.text


def _finding(fact: Fact, status: int, payload: Any) -> Finding:
    recorded = status if fact.record == "status" else found_at(payload, fact.record)
    return Finding(
        fact,
        status,
        tuple(_faults(fact, status, payload)),
        tuple(unnamed_keys(payload, fact.shape)),
        recorded,
    )


def _faults(fact: Fact, status: int, payload: Any) -> Iterator[str]:
    if status != fact.status:
        yield f"status: expected {fact.status}, got {status}: {payload!r:.200}"
        return
    yield from differences(payload, fact.shape)
    for path, wanted in fact.equal.items():
        got = found_at(payload, path)
        if got != wanted:
            yield f"answer.{path}: expected {wanted!r}, got {got!r:.120}"
