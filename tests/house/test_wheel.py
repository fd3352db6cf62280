"""The wheel: all that a day needs is in it, and it works where there is no checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.processes import ended
from tf_lib import __version__

LIBRARY, SHIPPED = "tf_lib", ("notebooks", "parameters", "docs")
NOT_KEPT = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
BUILD = "from setuptools import build_meta as b; b.build_sdist('.'); b.build_wheel('.')"


def files_below(folder: Path) -> Iterator[str]:
    return (str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Path:
    """Build a copy of the project, so that the checkout stays as it is."""
    source = tmp_path_factory.mktemp("source")
    for name in (LIBRARY, "notebooks", "parameters"):
        shutil.copytree(project_root / name, source / name, ignore=NOT_KEPT)
    (source / "docs").mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "docs/glossary.md"):
        shutil.copy(project_root / name, source / name)
    subprocess.run([sys.executable, "-c", BUILD], cwd=source, capture_output=True, check=True)
    return source


@dataclass
class Installation:
    """An environment with the wheel and what it depends on, and a home with nothing in it."""

    venv: Path
    home: Path

    @property
    def packages(self) -> Path:
        return next(self.venv.glob("lib/python3*/site-packages"))

    def tf(self, *words: str, folder: Path) -> tuple[int, str]:
        # Code that is compiled goes where it goes when the package's folder is read only.
        environment = {"HOME": str(self.home), "NUMBA_CACHE_DIR": str(self.home / ".cache")}
        environment["PATH"] = "/usr/bin:/bin"
        words = (str(self.venv / "bin" / "tf"), *words)
        return ended(words, cwd=folder, env=environment, stderr=subprocess.STDOUT)[:2]


@pytest.fixture(scope="module")
def installed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Install without network; the dependencies are those of the environment of these tests."""
    root = tmp_path_factory.mktemp("installed")
    made = Installation(root / "venv", root / "home")
    made.home.mkdir()
    python, wheel = [sys.executable, "-m"], str(next(source.glob("*.whl")))
    subprocess.run([*python, "venv", "--without-pip", str(made.venv)], check=True)
    pip = [*python, "pip", "--python", str(made.venv / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*pip, "--no-index", "--no-deps", wheel], check=True)
    # What a .pth file adds has its own .pth files unread: the editable project among them.
    (made.packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    shared = made.venv / "share" / "jupyter"
    shared.parent.mkdir(exist_ok=True)
    shared.symlink_to(Path(sys.prefix) / "share" / "jupyter")
    return made


def test_wheel_and_source_hold_the_files_of_the_project(source: Path, project_root: Path) -> None:
    """What is shipped, and modules: all of them, nothing else, and each as it is here."""
    inside = {LIBRARY: LIBRARY, **{name: f"{LIBRARY}/shipped/{name}" for name in SHIPPED}}
    kept = {
        f"{target}/{name}": project_root / folder / name
        for folder, target in inside.items()
        for name in files_below(source / folder)
    }
    wheel = zipfile.ZipFile(next(source.glob("*.whl")))
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert packed == set(kept)
    assert [name for name, file in kept.items() if wheel.read(name) != file.read_bytes()] == []
    with tarfile.open(next(source.glob("*.tar.gz"))) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert {str(file.relative_to(project_root)) for file in kept.values()} | {"setup.py"} <= names


def test_commands_in_an_empty_folder(installed: Installation, tmp_path: Path) -> None:
    """They say where things are, write nothing, and name `tf run`: there is no script here."""
    code, said = installed.tf("status", folder=tmp_path)

    assert (code, said) == (0, "profile demo: never ran. Start with tf run --profile demo\n")
    assert installed.tf("--version", folder=tmp_path) == (0, f"tf {__version__}\n")
    assert list(tmp_path.iterdir()) == []


def test_an_account_is_traded_by_own_parameters(installed: Installation, tmp_path: Path) -> None:
    """An update must not change them: the message says how to copy them, and that works."""
    code, said = installed.tf("run", "--profile", "live", folder=tmp_path)
    copying = said.split("Copy them with: ", 1)[-1].split(" and name your file: ", 1)[0]

    assert code == 2
    assert said.endswith(" and name your file: --config parameters/live.yaml\n")
    subprocess.run(copying, cwd=tmp_path, shell=True, check=True)
    code, said = installed.tf("cron", "--config", "parameters/live.yaml", folder=tmp_path)
    lines = [line for line in said.splitlines() if not line.startswith("#")]
    named = f" --config {tmp_path}/parameters/live.yaml --runs {tmp_path}/runs"
    assert code == 0
    assert all(f"{installed.venv}/bin/python -P -m tf_lib " in line for line in lines)
    assert all(
        line.endswith(f" {what}{named}")
        for what, line in zip(["run"] * (len(lines) - 1) + ["guard"], lines, strict=True)
    )


@pytest.mark.slow
def test_the_demo_in_an_empty_folder(installed: Installation, tmp_path: Path) -> None:
    """A day with notebook and page, all of it in that folder; the package is only read."""
    before = set(files_below(installed.venv))
    code, said = installed.tf("run", folder=tmp_path)
    assert code == 0, said
    assert "warning" not in said
    runs = tmp_path / "runs" / "demo"
    day = next(each for each in runs.iterdir() if each.name != "state")

    assert {"daily_run.ipynb", "report.html", "done.json"} <= {each.name for each in day.iterdir()}
    assert [each.name for each in tmp_path.iterdir()] == ["runs"]
    assert set(files_below(installed.venv)) == before
    assert {each.name for each in installed.home.iterdir()} <= {".cache", ".config", ".tf_lib"}
    assert "already_ran" in installed.tf("run", folder=tmp_path)[1]
    assert installed.tf("doctor", folder=tmp_path)[0] == 0
