"""One list of dependencies by hand; the lock and environment.yml follow it."""

from __future__ import annotations

import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYTHONS = ("3.11.7", "3.12.1", "3.13.0")
PLATFORMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    "macos": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
}
REMOVED_AFTER_INSTALL = {"rfc3987-syntax"}


@pytest.fixture(scope="module")
def project(project_root: Path) -> dict[str, Any]:
    return tomllib.loads((project_root / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def lock_lines(project_root: Path) -> list[str]:
    """Logical lines: one requirement with all its hashes on each."""
    text = (project_root / "requirements.lock").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


@pytest.fixture(scope="module")
def pins(lock_lines: list[str]) -> list[Requirement]:
    return [Requirement(line.split("--hash")[0].strip()) for line in lock_lines]


def _in_environment(requirement: Requirement, python: str, platform: dict[str, str]) -> bool:
    surroundings = {
        "python_version": python.rsplit(".", 1)[0],
        "python_full_version": python,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
        **platform,
    }
    return requirement.marker is None or requirement.marker.evaluate(surroundings)


def _pinned_version(pin: Requirement) -> str:
    (only,) = pin.specifier
    return only.version


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_lock_satisfies_every_dependency(
    project: dict[str, Any], pins: list[Requirement], python: str, platform: str
) -> None:
    """Each requirement of pyproject.toml has exactly one pin that fits it."""
    wanted = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["test"],
        *project["project"]["optional-dependencies"]["lab"],
    ]
    pinned: dict[str, list[str]] = {}
    for pin in pins:
        if _in_environment(pin, python, PLATFORMS[platform]):
            pinned.setdefault(canonicalize_name(pin.name), []).append(_pinned_version(pin))

    for text in wanted:
        requirement = Requirement(text)
        found = pinned.get(canonicalize_name(requirement.name), [])
        assert len(found) == 1, f"{text}: pinned {found}"
        assert requirement.specifier.contains(found[0]), f"{text}: pinned {found}"


def test_lock_pins_exactly_and_with_hashes(lock_lines: list[str], pins: list[Requirement]) -> None:
    """No range and no unhashed file can slip in."""
    for line, pin in zip(lock_lines, pins, strict=True):
        assert [one.operator for one in pin.specifier] == ["=="], line
        assert "--hash=sha256:" in line, line


def test_lock_names_no_place_to_install_from(project_root: Path) -> None:
    """Where packages come from is each machine's own setting."""
    text = (project_root / "requirements.lock").read_text()

    for word in ("://", "index-url", "find-links", "trusted-host", " @ "):
        assert word not in text


def test_installed_packages_are_the_locked_ones(pins: list[Requirement]) -> None:
    """What the tests run on is what the lock says, and nothing slower."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    here = PLATFORMS["macos" if sys.platform == "darwin" else "linux"]
    installed = {canonicalize_name(d.metadata["Name"]): d.version for d in metadata.distributions()}

    for pin in pins:
        name = canonicalize_name(pin.name)
        if not _in_environment(pin, python, here):
            continue
        if name in REMOVED_AFTER_INSTALL:
            assert name not in installed, f"{name} costs every daily run a second"
        else:
            assert installed.get(name) == _pinned_version(pin), name


def test_environment_file_adds_nothing(project: dict[str, Any], project_root: Path) -> None:
    """conda gets a Python and pip; every package comes from the lock."""
    environment = yaml.safe_load((project_root / "environment.yml").read_text())

    assert environment["name"] == project["project"]["name"]
    assert environment["dependencies"] == [
        f"python{project['project']['requires-python']}",
        "pip",
        {"pip": ["-r requirements.lock"]},
    ]


def test_uv_lock_is_not_kept(project_root: Path) -> None:
    """uv.lock is full of addresses; requirements.lock is the one that is kept."""
    assert "uv.lock" in (project_root / ".gitignore").read_text().split()


def test_command_tf_is_the_command_line(project: dict[str, Any]) -> None:
    """The installed command `tf` loads, and is the one that pyproject.toml names."""
    (entry,) = metadata.entry_points(group="console_scripts", name="tf")

    assert entry.value == project["project"]["scripts"]["tf"]
    assert callable(entry.load())
