"""
Custom signals: components of the blend that a user wrote, in a file beside the parameters.

The text of the file becomes part of the parameters. So whatever carries parameters (a run's folder,
a worker of a sweep, a replay years later) carries the code that decided, and no other file is ever
asked. The file is never imported by its name: neither the folder a command starts in nor the one
of the parameters is searched for modules.
"""

from __future__ import annotations

import ast
import functools
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tf_lib.errors import ParameterError
from tf_lib.parameters.user_code import run_source, sha256_of
from tf_lib.text.written import read_written

_MODULES_KEPT = 64


def _weight(value: float) -> float:
    if not math.isfinite(value) or value < 0.0:
        raise ValueError("expected a finite number of at least 0")
    return value


def _number(value: float | int | bool | str) -> float | int | bool | str:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("expected a finite number")
    return value


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
_Weight = Annotated[float, AfterValidator(_weight)]
_Value = Annotated[float | int | bool | str, AfterValidator(_number)]
_WRITTEN_AS = r"^[A-Za-z_][A-Za-z0-9_]*:[A-Za-z_][A-Za-z0-9_]*$"


class CustomSignal(BaseModel):
    """
    One custom component: where it is written, what it weighs, and what it is told.

    `columns` name what it returns before its rank, to be shown; `source` is the text of its file,
    `sha256` that text's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    component: Annotated[str, Field(pattern=_WRITTEN_AS)]
    weight: _Weight | None = 1.0
    parameters: dict[str, _Value] = {}
    columns: list[Name] = []
    label: Annotated[str, Field(max_length=24)] = ""
    sha256: str = ""
    source: Annotated[str, Field(repr=False)] = ""

    @model_validator(mode="before")
    @classmethod
    def _sealed(cls, given: Any) -> Any:
        """Say of a source that comes without its sha256 what that is."""
        if isinstance(given, dict) and isinstance(given.get("source"), str):
            return {**given, "sha256": given.get("sha256") or sha256_of(given["source"])}
        return given

    @model_validator(mode="after")
    def _is_written_there(self) -> CustomSignal:
        if not self.source:
            raise ValueError(f"the text of {self.file} is missing; it lies beside the parameters")
        if self.sha256 != (found := sha256_of(self.source)):
            raise ValueError(
                f"{self.file} is not the file that sha256 names: wanted {self.sha256}, is {found}"
            )
        names = _names(self.source, self.file)
        if self.function_name not in names:
            there = ", ".join(sorted(names)) or "nothing"
            raise ValueError(f"{self.file} has no {self.function_name!r}; it defines {there}")
        return self

    @property
    def file(self) -> str:
        """Name of the file it is written in."""
        return f"{self.component.partition(':')[0]}.py"

    @property
    def function_name(self) -> str:
        """What it is called there."""
        return self.component.partition(":")[2]

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for components that say the same of the same candles."""
        told = tuple(sorted((key, repr(value)) for key, value in self.parameters.items()))
        return self.function_name, self.sha256, told, tuple(self.columns)

    def column_names(self, name: str) -> tuple[str, ...]:
        """Return what its columns are called when it is called `name`, its rank last."""
        return (*(f"custom_{name}_{column}" for column in self.columns), f"custom_{name}")

    def function(self) -> Callable[..., Any]:
        """
        Return the function itself; its file is run once in a process.

        Raises
        ------
        Exception
            Whatever running the file raises.
        """
        found: Callable[..., Any] = getattr(run_source(self.source, self.file), self.function_name)
        return found

    def answer(self, panel: object, where: str) -> Any:
        """
        Call the function with what it sees and its parameters; return what it says.

        Raises
        ------
        ParameterError
            Beginning with `where`, if it is no function or takes something else.
        Exception
            Whatever it raises itself.
        """
        function = self.function()
        if not callable(function):
            raise ParameterError(f"{where} is no function but {type(function).__name__}")
        takes = inspect.signature(function)
        try:
            takes.bind(panel, **self.parameters)
        except TypeError as error:
            given = ", ".join(("the panel", *self.parameters))
            raise ParameterError(
                f"{where} takes {takes} and is given {given} (parameters): {error}"
            ) from None
        return function(panel, **self.parameters)


def spelled_out(given: Any) -> Any:
    """
    Return what stands under ``signals.custom``, each component under its name.

    Examples
    --------
    >>> spelled_out(["mine:carry"])
    {'carry': {'component': 'mine:carry'}}
    """
    if isinstance(given, str):
        given = [given]
    if isinstance(given, list) and all(isinstance(one, str) for one in given):
        names = [str(one).rpartition(":")[2] for one in given]
        if len(set(names)) < len(names):
            raise ValueError("two of these are called the same; write them as a mapping by name")
        return {name: {"component": one} for name, one in zip(names, given, strict=True)}
    if isinstance(given, dict):
        return {k: {"component": v} if isinstance(v, str) else v for k, v in given.items()}
    return given


def with_sources(given: Any, folder: Path) -> Any:
    """
    Return custom components, as a parameter file has them, with the text of their files.

    Parameters
    ----------
    folder : Path
        Of the parameter file.

    Raises
    ------
    ParameterError
        If a file is not there or cannot be read.
    """
    try:
        components = spelled_out(given)
    except ValueError:
        return given  # The schema says where.
    if not isinstance(components, dict):
        return components
    return {name: _with_source(one, folder) for name, one in components.items()}


def _with_source(one: Any, folder: Path) -> Any:
    named = one.get("component") if isinstance(one, dict) else None
    if not isinstance(named, str) or "source" in one:
        return one
    module, colon, _ = named.partition(":")
    if not colon or not module.isidentifier():
        return one  # The schema says how it is written.
    source = read_written(folder / f"{module}.py", f"file of the component {named}")
    return {**one, "source": source}


@functools.lru_cache(maxsize=_MODULES_KEPT)
def _names(source: str, file: str) -> frozenset[str]:
    """Return what a file defines, without running it."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise ValueError(f"{file} line {error.lineno}: is not Python: {error.msg}") from None
    except ValueError as error:
        raise ValueError(f"{file}: is not Python: {error}") from None
    return frozenset(_defined(tree.body))


def _defined(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (each.id for each in node.targets if isinstance(each, ast.Name))


def custom_record(custom: Mapping[str, CustomSignal]) -> dict[str, Any]:
    """Return which components a result was made with, for its summary; empty where none was."""
    facts = {
        name: {"component": one.component, "weight": one.weight, "sha256": one.sha256}
        for name, one in sorted(custom.items())
    }
    return {"custom_signals": facts} if facts else {}


def check_different(custom: Mapping[str, CustomSignal]) -> None:
    """Refuse components with one column, or with two files of one name (`ValueError`)."""
    names = [column for name, one in custom.items() for column in one.column_names(name)]
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise ValueError(f"two custom components have the column {', '.join(twice)}")
    texts = {(one.file, one.sha256) for one in custom.values()}
    files = [file for file, _ in texts]
    if len(set(files)) < len(files):
        raise ValueError(
            "two different files have the name "
            f"{max(files, key=files.count)}; a run keeps both, so call one otherwise"
        )
