"""The version stands in one place, and the changelog tells of it in the usual form."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version

from tests.house.rooms import ROOT
from tf_lib import __version__

SECTIONS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_package_takes_its_version_from_the_library() -> None:
    """What is installed says what `tf_lib` says; pyproject.toml holds no second number."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"]["attr"] == "tf_lib.__version__"
    assert version("tf-lib") == __version__


def test_the_changelog_begins_with_this_version() -> None:
    """Every change stands under its version and under what kind of change it is."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    kinds = [re.split(r"^### (\w+)$", one, flags=re.MULTILINE) for one in versions]

    assert versions[0].startswith(__version__)
    assert [one[0] for one in kinds if "\n- " in one[0]] == []
    assert {kind for one in kinds for kind in one[1::2]} <= SECTIONS
    assert [one[1::2] for one in kinds if len(set(one[1::2])) < len(one[1::2])] == []
