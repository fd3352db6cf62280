"""Files are whole or absent, and logs keep their lines apart."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tf_lib.store import files


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """The new content is there, and nothing beside it."""
    path = tmp_path / "day" / "done.json"
    files.write_whole(path, "old")
    files.write_whole(path, b"new")

    assert path.read_text() == "new"
    assert os.listdir(path.parent) == ["done.json"]


def test_a_write_that_fails_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No half file, no rest of one."""
    path = tmp_path / "plan.json"
    files.write_whole(path, "old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_whole(path, "new")

    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["plan.json"]


def test_file_and_folder_are_flushed_before_and_after_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Content first, then the name: the order that a power loss cannot undo."""
    order: list[str] = []
    flush, rename = os.fsync, Path.replace

    def noted_flush(handle: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        flush(handle)

    def noted_rename(self: Path, target: Path) -> Path:
        order.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", noted_flush)
    monkeypatch.setattr(Path, "replace", noted_rename)
    files.write_whole(tmp_path / "a", "x")

    assert order == ["file", "rename", "folder"]


def test_a_file_gets_the_usual_mode(tmp_path: Path) -> None:
    """A temporary file's own mode, owner only, would hide reports from their reader."""
    mask = os.umask(0o022)
    try:
        files.write_whole(tmp_path / "report.html", "x")
    finally:
        os.umask(mask)

    assert stat.S_IMODE((tmp_path / "report.html").stat().st_mode) == 0o644


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    """Larger than one chunk."""
    content = b"0123456789abcdef" * 100_000
    (tmp_path / "a").write_bytes(content)

    assert files.file_sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_json_refuses_what_is_no_number(tmp_path: Path) -> None:
    """NaN is no JSON; a reader elsewhere would stumble over it."""
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", {"x": float("nan")})

    assert not (tmp_path / "a.json").exists()


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    """What was appended is what is read; a log that is not there is empty."""
    path = tmp_path / "logs" / "errors.jsonl"
    for number in range(3):
        files.append_json_line(path, {"n": number, "text": "ü\n"})

    assert files.read_json_lines(path) == ([{"n": n, "text": "ü\n"} for n in range(3)], 0)
    assert files.read_json_lines(tmp_path / "none") == ([], 0)


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    """The next record starts on its own line."""
    path = tmp_path / "log.jsonl"
    files.append_json_line(path, {"n": 1})
    with path.open("ab") as file:
        file.write(b'{"n": 2, "te')
    files.append_json_line(path, {"n": 3})

    assert files.read_json_lines(path) == ([{"n": 1}, {"n": 3}], 1)


def test_the_last_line_of_a_long_log(tmp_path: Path) -> None:
    """Found without reading the years before it; half a line is none."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(
        b'{"n": 0, "text": "' + b"x" * 300_000 + b'"}\n{"n": 1}\n{"n": 2}\n{"n": 3, "t'
    )

    assert files.last_json_line(path) == {"n": 2}
    assert files.last_json_line(tmp_path / "none") is None
    path.write_bytes(b"x" * 300_000)
    assert files.last_json_line(path) is None


def test_written_json_is_readable(tmp_path: Path) -> None:
    """Indented, ends with a line end."""
    files.write_json(tmp_path / "a.json", {"equity": "15432.10"})
    text = (tmp_path / "a.json").read_text()

    assert json.loads(text) == {"equity": "15432.10"}
    assert text.endswith("}\n")


@pytest.mark.parametrize("where", ["2024-03-11/logs/errors.jsonl", "state/guard/errors.jsonl"])
@pytest.mark.parametrize("kind", ["line", "whole"])
def test_a_full_disk_takes_what_was_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, kind: str
) -> None:
    """Of the profile that the file belongs to; with nothing left it is an error."""
    path, reserve = tmp_path / "demo" / where, tmp_path / "demo" / "state" / ".reserve"
    reserve.parent.mkdir(parents=True)
    write, fdopen = os.write, os.fdopen

    def full(give: Callable[..., Any]) -> Callable[..., Any]:
        def given(*arguments: Any, **options: Any) -> Any:
            if reserve.exists() or is_empty:
                raise OSError(errno.ENOSPC, "no space left on device")
            return give(*arguments, **options)

        return given

    def put() -> None:
        if kind == "line":
            files.append_json_line(path, {"severity": "error"})
        else:
            files.write_whole(path, '{"severity": "error"}\n')

    is_empty = False
    reserve.write_bytes(b"set aside")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full(write))
        patch.setattr(os, "fdopen", full(fdopen))
        put()
        assert not reserve.exists()
        assert path.read_text(encoding="utf-8") == '{"severity": "error"}\n'

        is_empty = True
        with pytest.raises(OSError, match="no space left"):
            put()
    assert [p.name for p in path.parent.iterdir()] == ["errors.jsonl"]
