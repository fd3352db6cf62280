"""
The ``backup`` and ``restore`` commands: a profile's folder as one file, and back.

A backup holds the ledger, so an old one knows less than the exchange. What the next run makes of it
is said before anything is put back (docs/execution.md sections 7, 9 and 14).
"""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import tarfile
import tempfile
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tf_lib import __version__
from tf_lib.app.commands.records.days import guarded
from tf_lib.app.options import ProfileOptions, agreed
from tf_lib.app.record.packed import extract
from tf_lib.errors import EXIT_DONE, ParameterError, TfError
from tf_lib.exchange.clock import wall_now
from tf_lib.store.files import file_sha256, sync_folder
from tf_lib.store.ledger import LEDGER_FILE, Ledger
from tf_lib.store.run_folder import ProfileFolder
from tf_lib.text.written import unreadable_words

_FORMAT = 1
_MANIFEST = "backup.json"
_LEFT_OUT = (".reserve", "*.lock", "*.lock.holder", "arming-*", ".*.tmp")


def backup_command(options: ProfileOptions, out: Path) -> int:
    """Write a profile's folder into one new file that its owner alone can read."""
    name, _, folder = options.load()
    if not folder.path.is_dir():
        raise ParameterError(f"profile {name} never ran: there is nothing to keep ({folder.path})")
    if out.exists():
        raise ParameterError(f"{out}: is there already; name a new file")
    with guarded(folder, kind="backup"):
        manifest = _manifest(folder)
        _write(out, folder, manifest)
    print(f"{out}: {len(manifest['files'])} files, {_in_words(manifest)}")
    return EXIT_DONE


def _manifest(folder: ProfileFolder) -> dict[str, Any]:
    try:
        state = Ledger(folder.state / LEDGER_FILE, wall_now).state
        ledger = {"portfolio_uuid": state.portfolio_uuid, "ledger_lines": state.lines}
    except TfError as error:  # what is spoilt is kept, too
        ledger = {"ledger_problem": str(error)}
    days = folder.days()
    return {
        **ledger,
        "format": _FORMAT,
        "version": __version__,
        "profile": folder.profile,
        "made_at": wall_now().isoformat(timespec="seconds"),
        "last_day": days[-1].name if days else None,
        "files": {
            path.relative_to(folder.path).as_posix(): file_sha256(path)
            for path in sorted(folder.path.rglob("*"))
            if path.is_file()
            and not path.is_symlink()
            and not any(fnmatch(path.name, pattern) for pattern in _LEFT_OUT)
        },
    }


def _write(out: Path, folder: ProfileFolder, manifest: dict[str, Any]) -> None:
    """Write beside its place, flush, and rename."""
    handle, beside = _beside(out)
    try:
        with os.fdopen(handle, "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz") as backup:
                text = json.dumps(manifest, indent=2).encode()
                entry = tarfile.TarInfo(_MANIFEST)
                entry.size = len(text)
                backup.addfile(entry, io.BytesIO(text))
                for name in manifest["files"]:
                    backup.add(folder.path / name, arcname=f"profile/{name}", recursive=False)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(out)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(out.resolve().parent)


def _beside(out: Path) -> tuple[int, Path]:
    try:
        handle, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.resolve().parent)
    except OSError as error:
        raise ParameterError(f"{out}: cannot be written: {unreadable_words(error)}") from None
    return handle, Path(name)


def restore_command(options: ProfileOptions, file: Path, *, is_sure: bool) -> int:
    """Put a backup in the place of a profile's folder; what is there is moved aside."""
    name, _, folder = options.load()
    manifest = _read_manifest(file)
    if manifest["profile"] != name:
        raise ParameterError(
            f"{file}: holds profile {manifest['profile']}, not {name}; name it with --profile or "
            "--config"
        )
    print(f"{file}: {_in_words(manifest)}")
    for line in _consequences(manifest, folder):
        print(f"  {line}")
    question = f"Put it in the place of {folder.path}?"
    if not is_sure and not agreed(question, what="put the backup in place"):
        print("nothing was changed")
        return EXIT_DONE
    folder.path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".restore.", dir=folder.path.parent) as there:
        extract(file, manifest["files"], Path(there) / "profile", below="profile/")
        if folder.path.is_dir():
            with guarded(folder, kind="restore"):
                kept = folder.move_aside()
            print(f"what was there is in {kept}")
        (Path(there) / "profile").rename(folder.path)
    sync_folder(folder.path.parent)
    print(f"{folder.path} is as it was at {manifest['made_at']}; next: tf doctor, tf protect")
    return EXIT_DONE


def _read_manifest(file: Path) -> dict[str, Any]:
    try:
        with tarfile.open(file, mode="r:gz") as backup:
            member = backup.next()
            content = backup.extractfile(member) if member is not None else None
            if member is None or member.name != _MANIFEST or content is None:
                raise ParameterError(f"{file}: is no file of tf backup")
            manifest = json.load(content)
    except (OSError, EOFError, tarfile.TarError, ValueError) as error:
        raise ParameterError(f"{file}: cannot be read as a backup: {error}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise ParameterError(f"{file}: is of another version than this one ({__version__})")
    return manifest


def _in_words(manifest: dict[str, Any]) -> str:
    last = manifest["last_day"] or "no day"
    return f"profile {manifest['profile']} of {manifest['made_at']}, last day {last}"


def _consequences(manifest: dict[str, Any], folder: ProfileFolder) -> list[str]:
    """Say what a backup does not know, and what the next run makes of it."""
    told = []
    days = [path.name for path in folder.days()]
    later = [day for day in days if day > (manifest["last_day"] or "")]
    if later:
        told.append(
            f"the record here has {len(later)} later days ({later[0]} to {later[-1]}), "
            "which will be moved aside with it"
        )
    age = wall_now() - dt.datetime.fromisoformat(manifest["made_at"])
    told.append(
        f"it is {age.days} days and {age.seconds // 3600} hours old: orders and fills since then "
        "are at the exchange and not in its ledger"
    )
    told += [
        "the next run takes own orders in from the exchange; where orders of that day are among "
        "them it only protects and ends with exit 1, and the day after is a normal one",
        "a holding that changed since then is covered and locked until tf release; a resting "
        "stop is never lowered; cooldowns of stop-outs since then are rebuilt from the exchange's "
        "orders",
    ]
    return told
