"""
Shapes: what an answer must look like, written as data.

A word names a kind of value (``money``, ``text``, ``number`` ...), words joined by ``|`` are a
choice, ``=X`` is that very text. A list holds the shape of every item. A mapping names the keys
that must be there; ``key?`` may be missing. Keys that a shape does not name are no fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from tf_lib.simulator.simulated_clock import parse_rfc3339

_DECIMAL = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


KINDS: dict[str, Callable[[Any], bool]] = {
    "text": _is_text,
    "name": lambda value: _is_text(value) and value != "",
    "empty": lambda value: value == "",
    "money": lambda value: _is_text(value) and _DECIMAL.fullmatch(value) is not None,
    "digits": lambda value: _is_text(value) and value.isascii() and value.isdigit(),
    "time": lambda value: _is_text(value) and parse_rfc3339(value) is not None,
    "uuid": lambda value: _is_text(value) and _UUID.fullmatch(value) is not None,
    "number": _is_number,
    "bool": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "object": lambda value: isinstance(value, dict),
    "list": lambda value: isinstance(value, list),
    "any": lambda value: True,
}


def differences(value: Any, shape: Any, at: str = "answer") -> Iterator[str]:
    """
    Yield what in a value is not of the shape, as lines for a person.

    Examples
    --------
    >>> list(differences({"a": "1", "b": [True]}, {"a": "money", "b": ["bool"]}))
    []
    >>> list(differences({"a": 1}, {"a": "money", "b": "text", "c?": "text"}))
    ['answer.a: expected money, got 1', 'answer.b is missing']
    """
    if isinstance(shape, dict):
        yield from _of_object(value, shape, at)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{at}: expected a list, got {_short(value)}"
            return
        for number, item in enumerate(value):
            yield from differences(item, shape[0], f"{at}.{number}")
    elif not any(_fits(value, word) for word in str(shape).split("|")):
        yield f"{at}: expected {shape}, got {_short(value)}"


def _of_object(value: Any, shape: dict[str, Any], at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at}: expected an object, got {_short(value)}"
        return
    for key, inner in shape.items():
        name = key.removesuffix("?")
        if name in value:
            yield from differences(value[name], inner, f"{at}.{name}")
        elif not key.endswith("?"):
            yield f"{at}.{name} is missing"


def _fits(value: Any, word: str) -> bool:
    if word.startswith("="):
        return bool(value == word[1:])
    return KINDS[word](value)


def unnamed_keys(value: Any, shape: Any, at: str = "answer") -> Iterator[str]:
    """
    Yield the keys that an answer has and a shape does not name: no fault, but news.

    Examples
    --------
    >>> list(unnamed_keys({"rows": [{"a": "1", "b": "2"}]}, {"rows": [{"a": "text"}]}))
    ['answer.rows.0.b']
    """
    if isinstance(shape, dict) and isinstance(value, dict):
        known = {key.removesuffix("?"): inner for key, inner in shape.items()}
        for key, inner in value.items():
            if key not in known:
                yield f"{at}.{key}"
            else:
                yield from unnamed_keys(inner, known[key], f"{at}.{key}")
    elif isinstance(shape, list) and isinstance(value, list):
        for number, item in enumerate(value[:1]):
            yield from unnamed_keys(item, shape[0], f"{at}.{number}")


def found_at(value: Any, path: str) -> Any:
    """
    Return what stands at a dotted path, None if nothing does.

    Examples
    --------
    >>> found_at({"errs": [{"code": "X"}]}, "errs.0.code")
    'X'
    """
    for key in path.split("."):
        if isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        elif isinstance(value, dict):
            value = value.get(key)
        else:
            return None
    return value


def _short(value: Any) -> str:
    return f"{value!r:.60}"
