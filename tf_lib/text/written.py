"""
Files that a person wrote: read as text, or as YAML by the core rules of YAML 1.2.

Only ``true`` and ``false`` are truth values, so a sleeve may be called NO; keys are always text;
``1e-3`` is a number, ``010`` is ten, ``1:30`` and days are text; ``0x10`` is refused. Merge keys
(``<<: *base``) work. A key that stands twice, a key that is no text, nesting without end and
anchors that multiply without end are refused with the line. What a file holds is never quoted:
it may be the wrong file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tf_lib.errors import InputError, ParameterError
from tf_lib.text.shown import shown, shown_key

Lines = dict[tuple[str, ...], int]
"""The line on which each key, and each entry of a list, stands."""

MOST_DEPTH = 40
MOST_NODES = 100_000
_MOST_DIGITS = 400
_KEY_FILE_CHARACTERS = 10_000

_API_KEY = re.compile(
    r"PRIVATE KEY-----|(?:\b|_)(?:private_?key|api_?key_?secret|api_?secret)\b[\"']?\s*[:=]", re.I
)
_PLAIN_WORDS = {
    "found character that cannot start any token": (
        "a character that can begin nothing here, as a tab: YAML is indented with spaces, and text "
        "that begins with @, % or ` needs quotes"
    ),
    "but found another document": "a second document begins (---); one file holds one",
}
"""What libyaml says, and what it means to somebody who wrote the file."""

_QUOTED = re.compile(r"(['\"])[^<].+?\1")
_PLAIN = "plain"
_TAG = "tag:yaml.org,2002:"
_WHOLE = re.compile(r"[-+]?[0-9]+")
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_OTHER_BASE = re.compile(r"[-+]?0(?:[xX][0-9a-fA-F_]+|[oO][0-7_]+|[bB][01_]+)")
_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **{f"{sign}{word}": math.inf for sign in ("", "+") for word in (".inf", ".Inf", ".INF")},
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}

# libyaml's parser and writer where they are there: a tenth of the time, the same values.
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SafeDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Loader(_SafeLoader):  # type: ignore[misc]
    """YAML as nodes; what a plain word means is decided here, by the rules of 1.2."""

    yaml_implicit_resolvers = {None: [(_PLAIN, re.compile(""))]}  # noqa: RUF012


class _Dumper(_SafeDumper):  # type: ignore[misc]
    """Writes text that YAML 1.2 would read as a number in quotes."""


_Dumper.add_implicit_resolver(
    f"{_TAG}float",
    re.compile(f"^(?:{_DECIMAL.pattern}|{_OTHER_BASE.pattern})$"),
    list("-+.0123456789"),
)


def _lines_as_lines(dumper: Any, text: str) -> Any:
    """Write text of several lines as such: it is to be read by a person."""
    style = "|" if "\n" in text else None
    return dumper.represent_scalar(f"{_TAG}str", text, style=style)


_Dumper.add_representer(str, _lines_as_lines)


def read_written(path: Path, what: str, *, error: type[InputError] = ParameterError) -> str:
    """
    Read a text that a person wrote.

    Raises
    ------
    InputError
        As named, with the file, if it cannot be read or is an API key file.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise error(f"{path}: there is no such {what}") from None
    except IsADirectoryError:
        raise error(f"{path}: is a folder; expected a {what}") from None
    except (OSError, UnicodeDecodeError) as cause:
        raise error(f"{path}: cannot be read: {unreadable_words(cause)}") from None
    if _API_KEY.search(text, 0, _KEY_FILE_CHARACTERS) is not None:
        raise error(
            f"{path}: this is an API key file, not a {what}; it is named under exchange.key_file. "
            "Nothing of it is shown."
        )
    return text


def unreadable_words(error: OSError | UnicodeDecodeError) -> str:
    """Return why a file could not be read, without a class, a number or a byte of it."""
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 text (byte {error.start + 1})"
    return error.strerror or str(error)


def check_keys(content: Iterable[object], known: Sequence[str], where: str) -> None:
    """Refuse a key that is none of those known (`ParameterError`)."""
    for key in content:
        if key not in known:
            name, names = shown_key(str(key)), ", ".join(known)
            raise ParameterError(f"{where}: unknown key {name!r}; known are {names}")


def read_yaml(path: Path, what: str = "parameter file") -> dict[str, Any]:
    """Read a YAML file that must hold one mapping; see the module for the rules."""
    return read_yaml_lines(path, what)[0]


def read_yaml_lines(path: Path, what: str = "parameter file") -> tuple[dict[str, Any], Lines]:
    """
    Read a YAML file that must hold one mapping, and on which line each key stands.

    Raises
    ------
    ParameterError
        With file and line, and nothing of the content but names.
    """
    text = read_written(path, what)
    try:
        _check_depth(text)
        root = yaml.compose(text, Loader=_Loader)
        builder = _Builder()
        content = None if root is None else builder.value(root, ())
    except yaml.YAMLError as error:
        raise ParameterError(f"{path}: is not valid YAML: {_words(error)}") from None
    if not isinstance(content, dict):
        raise ParameterError(f"{path}: expected a mapping of sections, got {_kind(content)}")
    return content, builder.lines


def yaml_text(content: Mapping[str, Any]) -> str:
    """Return plain values as YAML that `read_yaml` reads back as they were."""
    return str(yaml.dump(dict(content), Dumper=_Dumper, sort_keys=False))


def _kind(content: object) -> str:
    if content is None:
        return "nothing: the file is empty, or all of it is comments"
    return "one text" if isinstance(content, str) else shown(content)


def _words(error: yaml.YAMLError) -> str:
    """Return what is wrong and where; libyaml would quote the file."""
    problem = str(getattr(error, "problem", None) or "it cannot be read")
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}: " if mark is not None else ""
    problem = _PLAIN_WORDS.get(problem, problem)
    return where + (
        problem if isinstance(error, _Refused) else _QUOTED.sub("what stands there", problem)
    )


class _Refused(yaml.YAMLError):
    """What the rules of this module refuse, in words that quote nothing."""

    def __init__(self, node: Any, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.problem_mark = node.start_mark


def _check_depth(text: str) -> None:
    """Refuse what would nest the reader itself too deep; events are read without nesting."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MOST_DEPTH:
                raise _Refused(event, f"nested more than {MOST_DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Builder:
    """Plain values from nodes; an alias gives values of its own."""

    def __init__(self) -> None:
        self.lines: Lines = {}
        self._made = 0

    def value(self, node: Any, at: tuple[str, ...]) -> Any:
        """Return what a node stands for."""
        self._made += 1
        if self._made > MOST_NODES:
            raise _Refused(node, f"more than {MOST_NODES} values, aliases counted each time")
        if len(at) > MOST_DEPTH:
            raise _Refused(node, f"nested more than {MOST_DEPTH} deep, or an anchor holds itself")
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.SequenceNode):
            _expect_tag(node, "seq")
            return [self._entry(each, (*at, str(n))) for n, each in enumerate(node.value)]
        _expect_tag(node, "map")
        return self._mapping(node, at)

    def _entry(self, node: Any, at: tuple[str, ...]) -> Any:
        self.lines[at] = node.start_mark.line + 1
        return self.value(node, at)

    def _mapping(self, node: Any, at: tuple[str, ...]) -> dict[str, Any]:
        found: dict[tuple[str, bool], int] = {}
        for key_node, _ in node.value:
            name = _key(key_node)
            line = key_node.start_mark.line + 1
            if name in found:
                said = f"key {shown_key(name[0])!r} stands twice, first on line {found[name]}"
                raise _Refused(key_node, said)
            found[name] = line
        content: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if _is_merge(key_node):
                content = self._merged(value_node, at)
        for key_node, value_node in node.value:
            if not _is_merge(key_node):
                where = (*at, key_node.value)
                content[key_node.value] = self.value(value_node, where)
                self.lines[where] = key_node.start_mark.line + 1
        return content

    def _merged(self, node: Any, at: tuple[str, ...]) -> dict[str, Any]:
        """Return the mappings of a merge key, an earlier one before a later one."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        content: dict[str, Any] = {}
        for each in reversed(nodes):
            if not isinstance(each, yaml.MappingNode):
                raise _Refused(each, "<< takes a mapping, or a list of mappings, as in <<: *base")
            # A step deeper, so that a mapping which merges itself ends, too.
            content |= self.value(each, (*at, "<<"))
        return content


def _is_merge(node: Any) -> bool:
    return bool(node.tag == _PLAIN and node.value == "<<")


def _key(node: Any) -> tuple[str, bool]:
    """Return a key, which is always text, and whether it is the merge key."""
    if not isinstance(node, yaml.ScalarNode):
        raise _Refused(node, "a key must be a name; text that begins with [ or { needs quotes")
    return node.value, _is_merge(node)


def _expect_tag(node: Any, name: str) -> None:
    if node.tag not in (f"{_TAG}{name}", "!"):
        raise _Refused(node, "its tag (!...) is none of YAML's core schema")


def _scalar(node: Any) -> Any:
    """Return what a word stands for: of its tag if one is written, else of its form."""
    text: str = node.value
    if node.tag == _PLAIN:
        return _WORDS[text] if text in _WORDS else _number(node, text)
    if node.tag == f"{_TAG}str" or node.tag == "!":
        return text
    kinds: dict[str, type | tuple[type, ...]] = {
        f"{_TAG}int": int,
        f"{_TAG}float": float,
        f"{_TAG}bool": bool,
        f"{_TAG}null": type(None),
    }
    value = _WORDS[text] if text in _WORDS else _number(node, text)
    if node.tag == f"{_TAG}float" and type(value) is int:
        value = float(value)
    if node.tag not in kinds or type(value) is not kinds[node.tag]:
        raise _Refused(node, "its tag (!...) is none of YAML's core schema, or does not fit it")
    return value


def _number(node: Any, text: str) -> Any:
    if _OTHER_BASE.fullmatch(text):
        raise _Refused(
            node, "a number that is not decimal (0x, 0o, 0b): write it in digits, or in quotes"
        )
    if not _DECIMAL.fullmatch(text):
        return text
    if len(text) > _MOST_DIGITS:
        raise _Refused(node, f"a number of more than {_MOST_DIGITS} digits; text needs quotes")
    return int(text) if _WHOLE.fullmatch(text) else float(text)
