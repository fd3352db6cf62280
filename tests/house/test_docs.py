"""Every parameter and every command stands in the documents."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from tests.house.rooms import ROOT
from tf_lib.app.cli import app
from tf_lib.parameters import Config


def _keys(model: type[BaseModel], at: str = "") -> list[str]:
    keys: list[str] = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            keys.extend(_keys(inner, f"{at}{name}."))
        elif name == "sleeves":
            keys.extend([f"{at}sleeves.<name>.weight", f"{at}sleeves.<name>.tickers"])
        else:
            keys.append(f"{at}{name}")
    return keys


@pytest.mark.parametrize("key", _keys(Config))
def test_every_parameter_is_documented(key: str) -> None:
    """A key that can be set can be looked up."""
    assert f"`{key}`" in (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8")


def test_no_document_names_a_parameter_that_is_gone() -> None:
    """A key that can be looked up can be set."""
    text = (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8")
    table = text.split("|---|---|", 1)[1]
    named = {k for k in re.findall(r"`([a-z0-9_<>.]+)`", table) if "." in k}

    assert named <= set(_keys(Config))


def test_every_command_is_in_the_readme() -> None:
    """What can be typed is in the table of commands."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [c.name or getattr(c.callback, "__name__", "") for c in app.registered_commands]

    assert [name for name in commands if f"| `{name}` |" not in readme] == []


def test_a_link_to_a_function_leads_there() -> None:
    """The story of a day names functions; each stands in the file that its link opens."""
    page = ROOT / "docs" / "architecture.md"
    links = re.findall(r"\[`([A-Za-z_.]+)`\]\(([^)#]+\.py)\)", page.read_text(encoding="utf-8"))
    story = [name for name, _ in links]

    assert {"run_daily", "Gate.decide", "Day.protect", "export_report"} <= set(story)
    for name, target in links:
        assert name in _defined(page.parent / target), f"{name} is not in {target}"


def _defined(path: Path) -> set[str]:
    """Return functions and classes of a module, and methods as Class.method."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            inside = [each for each in node.body if isinstance(each, ast.FunctionDef)]
            found |= {f"{node.name}.{each.name}" for each in inside}
    return found
