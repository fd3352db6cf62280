"""
Files: written whole or not at all.

A file is written beside its place and renamed into it, so a reader meets the old content or
the new one and never a half. What must survive a power loss is flushed to the disk, the file
first and then the folder that names it. Lines of a log are appended in one write each. A disk that
has become full takes the space that the run set aside.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tf_lib.store.disk_reserve import with_reserve

_CHUNK_BYTES = 1 << 20
_TAIL_BYTES = 1 << 16


def write_whole(path: Path, content: bytes | str, *, durable: bool = True) -> None:
    """
    Write a file beside its place and rename it into it; make its folder when it is missing.

    Parameters
    ----------
    path : Path
    content : bytes or str
        Text is written as UTF-8, line ends as they are.
    durable : bool
        Flush file and folder to the disk first, so that a power loss cannot undo it. False is
        for what can be fetched again and proves its own content.

    Raises
    ------
    OSError
        Nothing was changed; the file beside is removed.
    """
    with_reserve(path, lambda: _write_whole(path, content, durable=durable))


def _write_whole(path: Path, content: bytes | str, *, durable: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
            os.fchmod(file.fileno(), _default_mode())
            if durable:
                file.flush()
                os.fsync(file.fileno())
        Path(beside).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
    if durable:
        sync_folder(path.parent)


def write_json(path: Path, content: Any, *, durable: bool = True) -> None:
    """Write plain values as readable JSON; NaN is refused rather than written."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_whole(path, text + "\n", durable=durable)


def said_of_others(found: os.stat_result, *, may: int) -> str:
    """
    Return who besides its owner may do something with a file, or nothing.

    Parameters
    ----------
    found : os.stat_result
    may : int
        ``stat.S_IROTH`` for reading, ``stat.S_IWOTH`` for writing; the group counts as others.
    """
    word = "read" if may == stat.S_IROTH else "write"
    if found.st_mode & (may | may << 3):
        return f"others can {word} it"
    if may == stat.S_IWOTH and found.st_uid not in (0, os.geteuid()):
        return "it belongs to another user"
    return ""


def key_file_openness(path: Path) -> str:
    """Return why a file with a key is not its owner's alone and what to do, or nothing."""
    try:
        found = path.stat()
    except OSError:
        return ""  # Who reads it says so.
    who = said_of_others(found, may=stat.S_IROTH) or said_of_others(found, may=stat.S_IWOTH)
    return f"key file {path}: {who}; close it with: chmod 600 {path}" if who else ""


def make_private(folder: Path) -> None:
    """Make a folder for its owner alone; one of ours that others can enter is closed to them."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    close_to_others(folder)


def close_to_others(path: Path) -> None:
    """Take a file or folder of ours from everybody else; a link, or what all may use, stays."""
    status = path.lstat()
    is_common = stat.S_ISLNK(status.st_mode) or status.st_mode & stat.S_ISVTX
    if status.st_uid == os.geteuid() and status.st_mode & 0o077 and not is_common:
        path.chmod(stat.S_IMODE(status.st_mode) & ~0o077)


def sync_folder(folder: Path) -> None:
    """Flush a folder, so that the names in it survive a power loss."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes as 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def append_json_line(path: Path, record: Mapping[str, Any], *, durable: bool = True) -> None:
    """
    Append one record as a line of JSON, on its own line even after a torn one.

    The line goes out in one write, so that lines of two processes never mix.
    """
    line = json.dumps(dict(record), ensure_ascii=False, default=str) + "\n"
    with_reserve(path, lambda: _append_line(path, line, durable=durable))


def _append_line(path: Path, line: str, *, durable: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        data = (b"\n" if _is_torn(handle) else b"") + line.encode("utf-8")
        size = os.fstat(handle).st_size
        written = os.write(handle, data)
        if written != len(data):
            os.ftruncate(handle, size)
            raise OSError(errno.ENOSPC, f"{written} of {len(data)} bytes were written", str(path))
        if durable:
            os.fsync(handle)
    finally:
        os.close(handle)
    if durable and is_new:
        sync_folder(path.parent)


def read_json_lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """
    Return the records of a log and how many lines could not be read.

    A line cut short by a power loss is not a record; a missing file holds none.
    """
    if not path.exists():
        return [], 0
    lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    records = [record for line in lines if (record := json_record(line)) is not None]
    return records, len(lines) - len(records)


def last_json_line(path: Path) -> dict[str, Any] | None:
    """Return the last record of a log that grows for years; only its end is read."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _TAIL_BYTES, 0))
        pieces = file.read().split(b"\n")
    return next((one for one in map(json_record, reversed(pieces)) if one is not None), None)


def json_record(line: bytes) -> dict[str, Any] | None:
    """Return the record that a line holds; None for one cut short, or that is no JSON object."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def first_free(paths: Iterable[Path]) -> Path:
    """Return the first of several paths at which nothing is."""
    return next(path for path in paths if not path.exists())


def _is_torn(handle: int) -> bool:
    """Whether the file ends in the middle of a line."""
    size = os.fstat(handle).st_size
    return size > 0 and os.pread(handle, 1, size - 1) != b"\n"


def _default_mode() -> int:
    """Give the mode that open() would give; temporary files are made for the owner only."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
