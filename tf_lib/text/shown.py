"""
How foreign text and values are shown: in messages, mails, pages and logs.

What a person or an exchange wrote may hold a secret, or characters that a terminal obeys. Every
message that quotes such a thing quotes it through here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,39}")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_LONG_WORD = re.compile(r"[A-Za-z0-9+/=_-]{40,}")
_WITH_PASSWORD = re.compile(r"://[^/\s@]*:[^/\s@]*@")


def printable(text: str) -> str:
    r"""
    Return a text in which every character that acts instead of being seen is escaped.

    Line ends and tabs, too: who wants lines asks for them line by line.

    Examples
    --------
    >>> print(printable("sold\x1b[2Jout\u202e"))
    sold\x1b[2Jout\u202e
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        each.encode("unicode_escape").decode("ascii")
        if unicodedata.category(each) in _UNSEEN
        else each
        for each in text
    )


def shown(value: object, *, most: int = 80) -> str:
    """
    Return the value of a known key for a message: short, one line, and no secret of any form.

    Examples
    --------
    >>> shown("1:30"), shown([1, 2]), shown({"privateKey": "abc"})
    ("'1:30'", 'a list of 2', 'a mapping')
    """
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple | set):
        return f"a list of {len(value)}"
    if isinstance(value, str) and _may_be_secret(value):
        return f"a text of {len(value)} characters, which is not shown"
    return printable(f"{value!r:.{most}}")


def shown_key(key: str) -> str:
    """
    Return a key that nobody knows, if it has the form of a name; else that it has not.

    Examples
    --------
    >>> shown_key("atr_multiplyer"), shown_key("TF_SMTP_PASS='x y")
    ('atr_multiplyer', '(a key that is no name)')
    """
    return key if _NAME.fullmatch(key) and not _may_be_secret(key) else "(a key that is no name)"


def _may_be_secret(text: str) -> bool:
    if "PRIVATE KEY" in text or _WITH_PASSWORD.search(text):
        return True
    return any(
        re.search("[0-9]", word) and re.search("[a-z]", word) and re.search("[A-Z]", word)
        for word in _LONG_WORD.findall(text)
        if not word.startswith("/")
    )
