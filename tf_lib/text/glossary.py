"""The glossary of the documents, repeated where pages and mails use its words."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from tf_lib.project import GLOSSARY

_ENTRY = re.compile(r"^\| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
TITLE = "What the words mean"


@functools.cache
def meanings() -> Mapping[str, str]:
    """Return what docs/glossary.md says of each entry; nothing where the file cannot be read."""
    try:
        (_, *entries) = _ENTRY.findall(GLOSSARY.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return dict(entries)


def explained(text: str) -> list[tuple[str, str]]:
    """
    Return entry and meaning of what a text speaks of, in the order of the glossary.

    Examples
    --------
    >>> [entry for entry, _ in explained("Two stop-outs; BTC-USD is UNPROTECTED, a dry run")]
    ['dry run, DRY', 'stop (stop-limit order)', 'stop-out, stopped out', 'unprotected']
    """
    said = f" {' '.join(re.findall(r'[A-Za-z]+', text))} "
    return [(entry, meaning) for entry, meaning in meanings().items() if _is_in(entry, said)]


def _is_in(entry: str, said: str) -> bool:
    """Whether a name of an entry, or a plain form of it, stands in words set apart by spaces."""
    names = re.sub(r" \(.*\)", "", entry).replace("-", " ").split(", ")
    low = said.lower()
    # In capitals a word is a name: DONE is a mail, an order that is done is not.
    return any(
        f" {name}{end} " in (said if name.isupper() else low)
        for name in names
        for end in ("", "s", "d", "ed")
    )
