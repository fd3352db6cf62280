"""What must not stand in any file of the project."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

# Put together here, so that this file does not hold what it looks for.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("anaconda", "org"),
        ("anaconda", "com"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("debian", "org"),
        ("ubuntu", "com"),
        ("crates", "io"),
        ("golang", "org"),
    )
]
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(\s|\\n)+[A-Za-z0-9+/=]{16}")


@pytest.fixture(scope="module")
def kept_files(project_root: Path) -> dict[str, str]:
    """Every text file that is, or would be, committed."""
    if not (project_root / ".git").exists():
        pytest.skip("not a git checkout: nothing tells which files are kept")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=project_root,
        capture_output=True,
        text=True,
        check=True,
    )
    texts = {}
    for name in filter(None, listed.stdout.split("\0")):
        path = project_root / name
        if path.is_file():
            content = path.read_bytes()
            if b"\0" not in content:
                texts[name] = content.decode("utf-8", errors="replace")
    return texts


def test_no_file_names_a_package_registry(kept_files: dict[str, str]) -> None:
    """Where packages come from is a setting of the machine."""
    hosts = re.compile(rf"\b({'|'.join(re.escape(host) for host in REGISTRY_HOSTS)})\b", re.I)

    assert [name for name, text in kept_files.items() if hosts.search(text)] == []


def test_no_file_names_this_checkout(kept_files: dict[str, str], project_root: Path) -> None:
    """A path of one machine is wrong on every other; notebooks like to keep them."""
    home = Path.home()
    folders = [folder for folder in (project_root, home) if folder != Path("/")]
    paths = re.compile("|".join(rf"(?<![\w.]){re.escape(str(one))}(?![\w-])" for one in folders))

    assert [name for name, text in kept_files.items() if paths.search(text)] == []


def test_no_file_holds_a_private_key(kept_files: dict[str, str]) -> None:
    """Tests make the keys that they need."""
    assert [name for name, text in kept_files.items() if PRIVATE_KEY.search(text)] == []


def test_private_and_generated_files_are_ignored(project_root: Path) -> None:
    """Runs, keys, mail settings and caches stay out of every commit."""
    if not (project_root / ".git").exists():
        pytest.skip("not a git checkout")
    names = [
        ".venv/bin/python",
        ".venv.lock/owner",
        ".venv.log",
        "runs/live/state/live_run.log",
        "tf_email.env",
        "key.pem",
        "uv.lock",
        "tf_lib/core/__pycache__/fills.nbi",
        "tf_lib.egg-info/PKG-INFO",
    ]
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", *names],
        cwd=project_root,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ignored.stdout.split() == names


def test_hooks_before_a_commit_download_nothing(project_root: Path) -> None:
    """They are the tools of .venv, at the versions of the lock, and so never name a registry."""
    settings = yaml.safe_load((project_root / ".pre-commit-config.yaml").read_text("utf-8"))
    hooks = [hook for repo in settings["repos"] for hook in repo["hooks"]]
    tools = [project_root / hook["entry"].split()[0] for hook in hooks]

    assert {repo["repo"] for repo in settings["repos"]} == {"local"}
    assert {hook["language"] for hook in hooks} == {"system"}
    assert [tool for tool in tools if tool.parent != project_root / ".venv" / "bin"] == []
    assert [tool for tool in tools if not tool.exists()] == []
