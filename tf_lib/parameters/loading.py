"""
Loading: a file with all that it extends, merged and checked.

Everything that is wrong stops the run before anything else, with the file, the key, the value and
what was expected.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tf_lib.errors import ParameterError
from tf_lib.parameters.custom_signals import with_sources
from tf_lib.parameters.sections import Config
from tf_lib.text.shown import shown, shown_key
from tf_lib.text.written import read_yaml_lines

_REPLACED_WHOLE = {("universe", "sleeves")}


class _Origin(NamedTuple):
    """Where a key was written."""

    file: str
    line: int | None


Origins = Mapping[tuple[str, ...], _Origin]


def load_config(path: Path, *, decides: bool = True) -> Config:
    """
    Read one parameter file with everything it extends.

    Parameters
    ----------
    decides : bool
        False for what only looks or protects: custom components are left out, so that a file of
        theirs that is gone or broken keeps no position from its stop.

    Raises
    ------
    ParameterError
        Naming the file, the key, the value and what was expected.
    """
    merged, origins = _read_with_bases(Path(path), (), decides=decides)
    return config_from_mapping(merged, source=str(path), origins=origins)


def config_with_sources(path: Path) -> tuple[Config, dict[str, tuple[Any, str]]]:
    """
    Return checked parameters, and each one's value and where it was written, by dotted name.

    ``FILE:LINE``, or ``default`` where no file says anything.

    Raises
    ------
    ParameterError
        As `load_config`.
    """
    merged, origins = _read_with_bases(Path(path), seen=())
    config = config_from_mapping(merged, source=str(path), origins=origins)
    found = {}
    for key, value in flat(config.to_mapping()).items():
        parts = tuple(key.split("."))
        known = (origins[parts[:n]] for n in range(len(parts), 0, -1) if parts[:n] in origins)
        origin = next(known, None)
        found[key] = (value, "default" if origin is None else _written_at(origin, parts, origins))
    return config, found


def _written_at(origin: _Origin, parts: tuple[str, ...], origins: Origins) -> str:
    """Return where a key was written; a section that a file has says nothing of its other keys."""
    if parts not in origins and parts[:2] not in _REPLACED_WHOLE:
        return "default"
    return origin.file if origin.line is None else f"{origin.file}:{origin.line}"


def flat(content: Any, at: str = "") -> dict[str, Any]:
    """
    Return nested parameters by their dotted names.

    Examples
    --------
    >>> flat({"stops": {"ratchet": True, "levels": [1, 2]}})
    {'stops.ratchet': True, 'stops.levels': [1, 2]}
    """
    if not isinstance(content, Mapping) or not content:
        return {at: content}
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= flat(value, f"{at}.{key}" if at else str(key))
    return found


def config_from_mapping(
    mapping: Mapping[str, Any], *, source: str, origins: Origins | None = None
) -> Config:
    """Check plain values against the schema; `source` is named in every message."""
    try:
        return Config.model_validate(dict(mapping))
    except ValidationError as error:
        lines = [_explain(detail, source, origins or {}) for detail in error.errors()]
        raise ParameterError("\n".join(lines)) from None


def _read_with_bases(
    path: Path, seen: tuple[Path, ...], *, decides: bool = True
) -> tuple[dict[str, Any], Origins]:
    resolved = path.resolve()
    if resolved in seen:
        chain = " -> ".join(str(p) for p in (*seen, resolved))
        raise ParameterError(f"{path}: extends goes in a circle: {chain}")
    content, lines = read_yaml_lines(path)
    _resolve_names(content, path.resolve().parent, decides=decides)
    base_name = content.pop("extends", None)
    origins = {key: _Origin(str(path), lines.get(key)) for key in _key_paths(content)}
    if base_name is None:
        return content, origins
    if not isinstance(base_name, str):
        raise ParameterError(f"{path}: extends: expected a file name, got {shown(base_name)}")
    base, base_origins = _read_with_bases(
        resolved.parent / base_name, (*seen, resolved), decides=decides
    )
    return _merge(base, content, ()), {**base_origins, **origins}


def _resolve_names(content: dict[str, Any], folder: Path, *, decides: bool) -> None:
    """
    Resolve what is named relative to the file that names it, before merging.

    Paths become absolute ones; a custom component becomes the text of its file.
    """
    signals = content.get("signals")
    if isinstance(signals, dict) and "custom" in signals:
        signals["custom"] = with_sources(signals["custom"], folder) if decides else {}
    exchange = content.get("exchange")
    if not isinstance(exchange, dict):
        return
    for key in ("candles", "products", "ca_file", "key_file", "faults"):
        value = exchange.get(key)
        if isinstance(value, str) and not (key == "candles" and value == "synthetic"):
            exchange[key] = str((folder / Path(value).expanduser()).resolve())


def _merge(base: Any, over: Any, at: tuple[str, ...]) -> Any:
    if isinstance(base, dict) and isinstance(over, dict) and at not in _REPLACED_WHOLE:
        merged = dict(base)
        for key, value in over.items():
            merged[key] = _merge(base[key], value, (*at, key)) if key in base else value
        return merged
    return over


def _key_paths(content: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(content, dict | list):
        pairs = content.items() if isinstance(content, dict) else enumerate(content)
        for key, value in pairs:
            yield (*at, str(key))
            yield from _key_paths(value, (*at, str(key)))


def _explain(detail: ErrorDetails, source: str, origins: Origins) -> str:
    """Say what is wrong with a key; the value of one that nobody knows is never shown."""
    where = tuple(str(part) for part in detail["loc"])
    found = (origins[where[:n]] for n in range(len(where), 0, -1) if where[:n] in origins)
    origin = next(found, _Origin(source, None))
    line = f" (line {origin.line})" if origin.line is not None else ""
    key = ".".join(map(shown_key, where)) or "(top level)"
    kind, value = detail["type"], detail["input"]
    if kind == "missing":
        return f"{origin.file}: {key}: this key is required and missing{line}"
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(where[-1], _known_keys(where[:-1]), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{origin.file}: {key}: unknown key{hint}{line}"
    expected = detail["msg"].removeprefix("Value error, ")
    if isinstance(value, dict | BaseModel) or not _is_known(where):
        return f"{origin.file}: {key}: {expected}{line}"
    hint = _number_hint(value, kind)
    return f"{origin.file}: {key}: got {shown(value)}; {expected}{hint}{line}"


def _number_hint(value: object, kind: str) -> str:
    """Say how a number is written, where one is wanted and text was read."""
    if kind not in ("int_type", "float_type") or not isinstance(value, str):
        return ""
    return " (YAML read text; a number is written in plain digits without quotes, as 90 or 0.5)"


def _section_at(at: tuple[str, ...]) -> Any:
    """Return the section or type that stands at a path, None where the schema has nothing."""
    found: Any = Config
    for part in at:
        if get_origin(found) is dict:
            found = get_args(found)[1]
        else:
            field = getattr(found, "model_fields", {}).get(part)
            found = None if field is None else field.annotation
    return found


def _known_keys(at: tuple[str, ...]) -> list[str]:
    return list(getattr(_section_at(at), "model_fields", []))


def _is_known(where: tuple[str, ...]) -> bool:
    """Whether the schema itself names a key, or the list that an entry stands in."""
    *parents, last = where
    if last.isdigit() and get_origin(_section_at(tuple(parents))) is list:
        return _is_known(tuple(parents))
    return last in _known_keys(tuple(parents))
