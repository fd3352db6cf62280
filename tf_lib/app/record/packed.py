"""
Old days, packed: what a replay needs of them in one compressed file, what a person reads beside it.

``packed.tar.xz`` in a day's folder holds the day's other files, ``packed.json`` its sha256 and
theirs. Originals go only after every one of them was read back out of the pack as it was; a
packing that was cut short is carried on by the next one. Nothing of a day is ever deleted.
"""

from __future__ import annotations

import atexit
import hashlib
import io
import json
import lzma
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from tf_lib.errors import StateError
from tf_lib.exchange.clock import wall_now
from tf_lib.store.files import file_sha256, write_json, write_whole
from tf_lib.store.run_folder import RunFolder
from tf_lib.text.written import unreadable_words

PACK = "packed.tar.xz"
PACK_LIST = "packed.json"
_KEPT = (PACK, PACK_LIST, "done.json", "report.html")
_SUMMARY = "daily_summary_"


def is_packed(folder: Path) -> bool:
    """Whether a day's files are in its pack."""
    return (folder / PACK_LIST).is_file()


def to_pack(folder: Path) -> list[Path]:
    """Return the files of a day that its pack holds, or is to hold; page and summary stay out."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not path.is_symlink()
        and path.relative_to(folder).as_posix() not in _KEPT
        and not path.name.startswith((_SUMMARY, "."))
    ]


def pack(folder: Path) -> int:
    """
    Pack a day's folder; return the bytes that were saved.

    Raises
    ------
    StateError
        If what was packed is not what was there; the day is as it was.
    """
    if not is_packed(folder):
        _write_pack(folder)
    listed = packed_files(folder)
    saved = -(folder / PACK).stat().st_size
    for name, sha in listed.items():
        path = folder / name
        if not path.exists():
            continue
        if file_sha256(path) != sha:
            raise StateError(f"{path}: is not what its pack holds; both are left as they are")
        saved += path.stat().st_size
        path.unlink()
    for emptied in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
        if not any(emptied.iterdir()):
            emptied.rmdir()
    return saved


def _write_pack(folder: Path) -> None:
    shas = {}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", preset=6) as pack_file:
        for path in to_pack(folder):
            content, name = path.read_bytes(), path.relative_to(folder).as_posix()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), int(path.stat().st_mtime)
            entry.mode = 0o400
            pack_file.addfile(entry, io.BytesIO(content))
            shas[name] = hashlib.sha256(content).hexdigest()
    write_whole(folder / PACK, buffer.getvalue())
    with tempfile.TemporaryDirectory() as there:
        extract(folder / PACK, shas, Path(there))
    write_json(folder / PACK_LIST, {"sha256": file_sha256(folder / PACK), "files": shas})
    for name in (PACK, PACK_LIST):
        (folder / name).chmod(0o400)


def packed_files(folder: Path) -> dict[str, str]:
    """
    Return the sha256 of each file in a day's pack by its name; none where it is not packed.

    Raises
    ------
    StateError
        If the pack is not the one that was written.
    """
    if not is_packed(folder):
        return {}
    try:
        content = json.loads((folder / PACK_LIST).read_text(encoding="utf-8"))
        listed = {str(name): str(sha) for name, sha in content["files"].items()}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        why = unreadable_words(error) if isinstance(error, OSError) else repr(error)
        raise StateError(f"{folder / PACK_LIST}: cannot be read: {why}") from None
    try:
        now = file_sha256(folder / PACK)
    except OSError as error:
        raise StateError(f"{folder / PACK}: cannot be read: {unreadable_words(error)}") from None
    if now != content.get("sha256"):
        raise StateError(f"{folder / PACK} is not the file that was packed")
    return listed


def unpacked(folder: Path) -> Path:
    """
    Return a folder with the whole of a day: the day's own, or a copy that lives as we do.

    Raises
    ------
    StateError
        If the pack is spoilt.
    """
    if not is_packed(folder):
        return folder
    listed = packed_files(folder)
    there = Path(tempfile.mkdtemp(prefix="tf_lib_day_"))
    atexit.register(shutil.rmtree, there, ignore_errors=True)
    whole = there / folder.name
    shutil.copytree(
        folder, whole, ignore=shutil.ignore_patterns(PACK, PACK_LIST), copy_function=shutil.copyfile
    )
    extract(folder / PACK, listed, whole)
    return whole


def changed_record(folder: Path) -> list[str]:
    """Return which files of a day, packed or not, are no longer what the run wrote, in words."""
    try:
        inside = packed_files(folder)
    except StateError as error:
        return [str(error)]
    return RunFolder(folder, wall_now).changed_since_done(inside)


def extract(pack_file: Path, shas: Mapping[str, str], to: Path, *, below: str = "") -> None:
    """
    Write the named files of a tar file into a folder, each only as it is known by its sha256.

    Parameters
    ----------
    shas : mapping of name to sha256
        Relative names; what else the file holds is left in it.
    below : str
        What stands before the names in the tar file.

    Raises
    ------
    StateError
        If the file cannot be read, lacks one, or holds another one than is known.
    """
    try:
        with tarfile.open(pack_file) as pack_:
            for name, sha in shas.items():
                member = pack_.extractfile(below + name)
                content = b"" if member is None else member.read()
                if hashlib.sha256(content).hexdigest() != sha or not _is_inside(name):
                    raise StateError(f"{pack_file}: {name} is not as it was kept")
                (to / name).parent.mkdir(parents=True, exist_ok=True)
                (to / name).write_bytes(content)
    except (OSError, KeyError, tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise StateError(f"{pack_file}: cannot be unpacked: {error}") from None


def _is_inside(name: str) -> bool:
    """Whether a name stays in the folder it is written into."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts
