"""
The run store: where a run keeps its record, and how it is read back.

``runs/<profile>/`` holds `state/` (what outlives a day), one folder per UTC day, `attempts/`
(earlier tries of a day that was run again) and `dry/`. Files are written beside and renamed;
logs are lines appended, closed when the day ends.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_lib.errors import StateError
from tf_lib.store.disk_reserve import with_reserve
from tf_lib.store.files import (
    append_json_line,
    close_to_others,
    file_sha256,
    first_free,
    read_json_lines,
    write_json,
    write_whole,
)
from tf_lib.text.days import is_day
from tf_lib.text.written import unreadable_words, yaml_text

if TYPE_CHECKING:
    import pandas as pd

LOG_NAMES = (
    "heartbeat",
    "desired_trades",
    "order_build",
    "order_submit",
    "dust_build",
    "dust_submit",
    "stop_updates",
    "impediments",
    "errors",
)
DONE_FILE = "done.json"
SNAPSHOT_NAMES = ("post_desired_trades", "post_refresh_positions", "final")


class ProfileFolder:
    """The folder of one profile: ``runs/<profile>``."""

    def __init__(self, runs: Path, profile: str) -> None:
        self.path = Path(runs) / profile
        self.profile = profile

    @property
    def state(self) -> Path:
        """What outlives a day: ledger, lock, candle cache, simulated exchange, logs."""
        return self.path / "state"

    def prepare(self, *, on_reserve: bool = False) -> None:
        """
        Make the state folder and prove that it can be written.

        Parameters
        ----------
        on_reserve : bool
            A full disk may take the reserve: for what only protects.

        Raises
        ------
        StateError
            Naming the folder, before anything else happened.
        """
        try:
            self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._close_to_others()
            if on_reserve:
                with_reserve(self.state / ".writable", self._probe)
            else:
                self._probe()
        except OSError as error:
            raise StateError(
                f"{self.state}: the run's state cannot be written there: "
                f"{unreadable_words(error)}. Free space or fix the permissions, or name another "
                "place with --runs."
            ) from error

    def _close_to_others(self) -> None:
        """
        Take from everybody else what an older version left open to them.

        Whoever cannot enter the profile's folder reads nothing in it, so the years of runs are
        gone through only once: the folder itself is closed last.
        """
        was_open = bool(self.path.stat().st_mode & 0o077)
        for path in self.path.rglob("*") if was_open else (self.state, *self.state.iterdir()):
            close_to_others(path)
        close_to_others(self.path)

    def _probe(self) -> None:
        probe = self.state / ".writable"
        try:
            probe.write_bytes(b"tf_lib\n" * 512)
        finally:
            probe.unlink(missing_ok=True)

    def day(self, day: dt.date) -> Path:
        """Return the folder of a day, which may not be there."""
        return self.path / day.isoformat()

    def open_day(self, day: dt.date, attempt: int) -> Path:
        """Make a day's folder for a new attempt; an earlier one moves under `attempts/`."""
        folder = self.day(day)
        if folder.exists():
            _moved(folder, self.path / "attempts" / f"{day.isoformat()}-{max(attempt - 1, 1)}")
        folder.mkdir(parents=True)
        return folder

    def open_dry(self, day: dt.date) -> Path:
        """Make a new folder for a dry run of a day."""
        folder = first_free(
            self.path / "dry" / f"{day.isoformat()}-{n}" for n in itertools.count(1)
        )
        folder.mkdir(parents=True)
        return folder

    def move_aside(self) -> Path:
        """Move the whole folder under ``runs/earlier``, which holds no profile; return where."""
        last = next((day.name for day in reversed(self.days())), "no-day")
        return _moved(self.path, self.path.parent / "earlier" / f"{self.profile}-{last}")

    def days(self) -> list[Path]:
        """Return the folders of all days that were run, oldest first."""
        if not self.path.is_dir():
            return []
        return sorted(p for p in self.path.iterdir() if p.is_dir() and is_day(p.name))


def _moved(folder: Path, to: Path) -> Path:
    """Move a folder to a path, or to the first free one beside it, as ``NAME.2``; return where."""
    beside = (to.with_name(f"{to.name}.{n}") for n in itertools.count(2))
    kept = first_free(itertools.chain([to], beside))
    kept.parent.mkdir(parents=True, exist_ok=True)
    return folder.rename(kept)


def _changed(path: Path, name: str, sealed: str) -> str:
    """Say how a file differs from what was sealed, or nothing."""
    try:
        now = file_sha256(path) if path.is_file() else "missing"
    except OSError as error:
        now = f"cannot be read: {error.strerror}"
    if now == sealed:
        return ""
    return f"{name} is not the file this run wrote: sha256 {sealed[:16]} then, {now[:16]} now"


class RunLogs:
    """The JSONL logs of a run; every line carries the exchange's time."""

    def __init__(self, folder: Path, now: Callable[[], dt.datetime]) -> None:
        self.folder = folder
        self.now = now

    def write(self, name: str, **fields: Any) -> None:
        """Append one line to a log."""
        if name not in LOG_NAMES:
            raise StateError(f"log must be one of {', '.join(LOG_NAMES)}, got {name!r}")
        line = {"at": self.now().isoformat(), **fields}
        append_json_line(self.folder / f"{name}.jsonl", line, durable=False)

    def read(self, name: str) -> list[dict[str, Any]]:
        """Return the lines of a log; a missing file holds none."""
        return read_json_lines(self.folder / f"{name}.jsonl")[0]

    def touch_all(self) -> None:
        """Make every log exist, so that an empty one says "nothing" and not "unknown"."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in LOG_NAMES:
            (self.folder / f"{name}.jsonl").touch()


class RunFolder:
    """One run's folder: typed writers and readers of its artifacts."""

    def __init__(self, path: Path, now: Callable[[], dt.datetime]) -> None:
        self.path = Path(path)
        self.logs = RunLogs(self.path / "logs", now)

    def write_json(self, name: str, content: Any) -> None:
        """Write plain values."""
        write_json(self.path / name, content)

    def read_json(self, name: str) -> Any:
        """Read plain values, or say what is missing or broken."""
        path = self.path / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise StateError(f"{path}: this run has no {name}") from None
        except ValueError as error:
            raise StateError(f"{path}: is not JSON: {error}") from None

    def write_yaml(self, name: str, content: Mapping[str, Any]) -> None:
        """Write parameters as YAML, in the order of the schema."""
        write_whole(self.path / name, yaml_text(content))

    def write_frame(self, name: str, frame: pd.DataFrame, *, durable: bool = False) -> None:
        """Write a table as parquet; durable where a later attempt of the day rests on it."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        buffer = io.BytesIO()
        # Measured numbers hardly repeat: a dictionary of them costs time and saves nothing.
        table = pa.Table.from_pandas(frame)
        pq.write_table(table, buffer, compression="zstd", use_dictionary=False)
        write_whole(self.path / name, buffer.getvalue(), durable=durable)

    def read_frame(self, name: str) -> pd.DataFrame:
        """Read a table, or say what is missing or broken."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.path / name
        if not path.exists():
            raise StateError(f"{path}: this run has no {name}")
        try:
            table = pq.ParquetFile(pa.BufferReader(path.read_bytes())).read()
        except (OSError, ValueError) as error:
            raise StateError(f"{path}: cannot be read as a table: {error}") from error
        frame: pd.DataFrame = table.to_pandas()
        return frame

    def write_snapshot(self, name: str, frame: pd.DataFrame) -> None:
        """Write one of the snapshots of the day."""
        if name not in SNAPSHOT_NAMES:
            raise StateError(f"snapshot must be one of {', '.join(SNAPSHOT_NAMES)}, got {name!r}")
        self.write_frame(f"snapshots/{name}.parquet", frame)

    def seal(self, name: str, names: Iterable[str]) -> None:
        """Write down the sha256 of files as they are now."""
        self.write_json(name, {each: file_sha256(self.path / each) for each in names})

    def broken_seals(self, name: str) -> list[str]:
        """Return what is wrong with the files that were sealed, in words."""
        return self._changes(self.read_json(name))

    def changed_since_done(self, packed: Mapping[str, str] | None = None) -> list[str]:
        """
        Return what is no longer as the done mark says, in words; nothing without a mark.

        Parameters
        ----------
        packed : mapping of name to sha256, optional
            Of files that are kept elsewhere.
        """
        if not (self.path / DONE_FILE).exists():
            return []
        try:
            rows = self.read_json(DONE_FILE)["artifacts"]
            sealed = {
                str(row["path"]): str(row["sha256"])
                for row in rows
                if (packed or {}).get(str(row["path"])) != row["sha256"]
            }
        except (StateError, OSError, KeyError, TypeError) as error:
            return [f"{DONE_FILE} cannot be read: {error}"]
        return self._changes(dict(sorted(sealed.items())))

    def _changes(self, sealed: Mapping[str, str]) -> list[str]:
        found = (_changed(self.path / name, name, sha) for name, sha in sealed.items())
        return [words for words in found if words]

    def make_read_only(self) -> None:
        """Take the right to write from every file: a record is not saved over by mistake."""
        for path in self.path.rglob("*"):
            if path.is_file() and not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.chmod(0o400)

    def artifacts(self) -> list[dict[str, Any]]:
        """Return every file of the run with its size and sha256, without the done mark."""
        return [
            {
                "path": str(path.relative_to(self.path)),
                "bytes": path.stat().st_size,
                "sha256": file_sha256(path),
            }
            for path in sorted(self.path.rglob("*"))
            if path.is_file() and path.name != DONE_FILE and not path.name.startswith(".")
        ]
