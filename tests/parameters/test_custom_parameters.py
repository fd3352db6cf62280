"""Components of a user's own in parameter files: where their files are found, and what is wrong."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.core import custom
from tests.core.build import STRATEGY
from tests.parameters.test_parameters import refusal, written
from tf_lib.errors import ParameterError
from tf_lib.parameters import config_from_mapping, load_config
from tf_lib.parameters.user_code import sha256_of
from tf_lib.text.written import read_yaml, yaml_text

CARRY = "def carry(panel):\n    return panel.close * 0\n"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder with files of the same names, none of which is ever to be used."""
    other = tmp_path / "cwd"
    other.mkdir()
    for name in ("mine", "only_here", "random"):
        (other / f"{name}.py").write_text("raise SystemExit('the wrong file')\n", encoding="utf-8")
    monkeypatch.chdir(other)


def naming(folder: Path, entry: Any, name: str = "mine.yaml") -> Path:
    return written(folder, {"extends": str(STRATEGY), "signals": {"custom": entry}}, name)


@pytest.mark.parametrize(
    "entry",
    [
        "mine:carry",
        ["mine:carry"],
        {"carry": "mine:carry"},
        {"carry": {"component": "mine:carry", "weight": 1.0}},
    ],
)
def test_the_file_lies_beside_the_parameters(tmp_path: Path, entry: Any) -> None:
    """Whatever folder the command starts in, in each form that it may be written."""
    (tmp_path / "mine.py").write_text(CARRY, encoding="utf-8")
    found = load_config(naming(tmp_path, entry)).signals.custom

    assert list(found) == ["carry"]
    assert (found["carry"].source, found["carry"].weight) == (CARRY, 1.0)
    assert found["carry"].sha256 == sha256_of(CARRY)


def test_a_base_keeps_its_file_and_a_profile_its_weight(tmp_path: Path) -> None:
    """The file lies beside the one that names it; maps merge."""
    base = tmp_path / "base"
    base.mkdir()
    (base / "mine.py").write_text(CARRY, encoding="utf-8")
    naming(base, {"carry": {"component": "mine:carry"}}, "base.yaml")
    mine = {"extends": "base/base.yaml", "signals": {"custom": {"carry": {"weight": 0.25}}}}
    found = load_config(written(tmp_path, mine)).signals.custom["carry"]

    assert (found.source, found.weight) == (CARRY, 0.25)


def test_what_a_run_writes_needs_no_file(tmp_path: Path) -> None:
    """config.yaml holds the text itself, to the character; one changed character is refused."""
    odd = CARRY + "# ünï \t \x85 'quoted' \"twice\": {a: b}\n\n\n   # end without a newline"
    (tmp_path / "mine.py").write_text(odd, encoding="utf-8")
    config = load_config(naming(tmp_path, "mine:carry"))
    (tmp_path / "mine.py").unlink()
    path = tmp_path / "config.yaml"
    path.write_text(yaml_text(config.to_mapping()), encoding="utf-8")

    assert config_from_mapping(read_yaml(path), source="config.yaml") == config
    content = config.to_mapping()
    content["signals"]["custom"]["carry"]["source"] = odd.replace("* 0", "* 1")
    with pytest.raises(ParameterError, match=r"mine\.py is not the file that sha256 names"):
        config_from_mapping(content, source="config.yaml")


@pytest.mark.parametrize(
    ("entry", "source", "named"),
    [
        ("only_here:carry", CARRY, "only_here.py: there is no such file of the component"),
        ("random:choice", CARRY, "random.py: there is no such file of the component"),
        ("mine:carrry", CARRY, "mine.py has no 'carrry'; it defines carry"),
        ("mine:carry", "def carry(\n", "mine.py line 1: is not Python"),
        ("mine:carry", "def carry(p):\n  return 'a\n", "mine.py line 2: is not Python"),
        ("../mine:carry", CARRY, "expected a|should match"),
        ("mine", CARRY, "should match"),
        ("my.mine:carry", CARRY, "should match"),
        ({"Carry": "mine:carry"}, CARRY, "should match"),
        ({"carry": {"component": "mine:carry", "wieght": 1}}, CARRY, "did you mean 'weight'"),
        ({"carry": {"component": "mine:carry", "weight": -1}}, CARRY, "at least 0"),
        ({"carry": {"component": "mine:carry", "sha256": "00"}}, CARRY, "wanted 00"),
        ({"carry": {"weight": 1}}, CARRY, "component: this key is required"),
        (["mine:carry", "other:carry"], CARRY, "called the same"),
        (3, CARRY, "valid dictionary"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, entry: Any, source: str, named: str) -> None:
    """Before anything else, and nothing of the file is run."""
    (tmp_path / "mine.py").write_text(f"{source}", encoding="utf-8")

    said = refusal(naming(tmp_path, entry))

    assert any(part in said for part in named.split("|")), said
    assert str(tmp_path) in said


def test_columns_and_files_stay_apart(tmp_path: Path) -> None:
    """Two components may not write one column, nor two files be kept under one name."""
    (tmp_path / "mine.py").write_text(CARRY, encoding="utf-8")
    one = {"component": "mine:carry", "columns": ["b"]}
    assert "column custom_a_b" in refusal(naming(tmp_path, {"a": one, "a_b": "mine:carry"}))

    base = tmp_path / "base"
    base.mkdir()
    (base / "mine.py").write_text(CARRY + "\n", encoding="utf-8")
    naming(base, {"old": "mine:carry"}, "base.yaml")
    both = {"extends": "base/base.yaml", "signals": {"custom": {"new": "mine:carry"}}}
    assert "two different files have the name mine.py" in refusal(written(tmp_path, both))


def test_a_file_beside_the_parameters_stands_in_for_no_module(tmp_path: Path) -> None:
    """A component may be called like a module of Python: others still get Python's."""
    text = "import random\n\n\ndef choice(panel):\n    return random.Random(0)\n"
    (tmp_path / "random.py").write_text(text, encoding="utf-8")
    component = load_config(naming(tmp_path, "random:choice")).signals.custom["choice"]

    assert isinstance(component.function()(None), random.Random)
    assert Path(random.__file__).parent != tmp_path


def test_who_only_protects_needs_no_component(tmp_path: Path) -> None:
    """A guard goes on when the file is gone."""
    path = naming(tmp_path, "mine:carry")

    assert load_config(path, decides=False).signals.custom == {}
    assert "there is no such file" in refusal(path)


def test_the_page_shows_what_loads(tmp_path: Path) -> None:
    """Word for word, in the form of the page."""
    custom.write_example(tmp_path)
    content = yaml.safe_load(custom.shown("yaml"))
    found = load_config(written(tmp_path, {"extends": str(STRATEGY), **content})).signals.custom

    assert (found["strength"].weight, found["strength"].parameters) == (0.3, {"window": 60})
