"""
Public lists: names that a package offers, each imported when it is asked for.

Whoever imports one name pays for no other: a daily run loads no sweep.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def offered(package: str, where: Mapping[str, str]) -> Callable[[str], Any]:
    """
    Return the ``__getattr__`` of a package that offers names.

    Parameters
    ----------
    where : mapping of name to str
        A module, or ``module:name`` for something in one.
    """

    def imported(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"{package} offers no {name!r}; it has {', '.join(where)}")
        module, _, inside = where[name].partition(":")
        found = importlib.import_module(module)
        return getattr(found, inside) if inside else found

    return imported
