"""
Public lists: names that a package offers, each imported when it is asked for.

Whoever imports one name pays for no other: a daily run loads no sweep.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any


def offered(package: str, *lines: str) -> tuple[list[str], Callable[[str], Any]]:
    """
    Return ``__all__`` and ``__getattr__`` of a package that offers names.

    Parameters
    ----------
    lines : str
        A module of the package and the names of it that are offered, ``day.tables: orders stops``;
        ``new=old`` offers one under another name, and a line without a colon the module itself.
    """
    where = {}
    for line in lines:
        module, _, names = line.partition(":")
        for name in names.split() or [f"{module.rpartition('.')[2]}="]:
            shown, is_other, inside = name.partition("=")
            where[shown] = (f"{package}.{module}", inside if is_other else shown)

    def imported(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"{package} offers no {name!r}; it has {', '.join(where)}")
        module, inside = where[name]
        found = importlib.import_module(module)
        return getattr(found, inside) if inside else found

    return list(where), imported
