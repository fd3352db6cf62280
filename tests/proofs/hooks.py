"""
Hooks of a child process: where it is killed, and what a loss of power leaves on its disk.

Nothing of this is in ``tf_lib``: the child patches the ledger's write, the HTTP session and the
renames of its own process. Points are numbered in the order in which an undisturbed run meets
them; each has the moments ``before``, ``after`` and, where half of it can be on disk or on the
wire, ``torn`` and ``late``.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Kill:
    """Where a child ends: at a moment of its `number`-th point; 0 never."""

    number: int = 0
    moment: str = ""
    power: bool = False


@dataclass
class Disk:
    """What of the profile's folder is on the platter, and what only in the page cache."""

    root: Path
    synced: dict[str, int] = field(default_factory=dict)
    renamed: list[tuple[Path, bytes | None]] = field(default_factory=list)

    def begin(self) -> None:
        for path in self.root.rglob("*"):
            if path.is_file():
                self.synced[str(path)] = path.stat().st_size

    def concerns(self, path: Path) -> bool:
        return self.root in path.parents

    def flushed(self, handle: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{handle}"))
        if path.is_dir():
            self.renamed = [(to, old) for to, old in self.renamed if to.parent != path]
        elif self.concerns(path):
            self.synced[str(path)] = os.fstat(handle).st_size

    def moving(self, source: Path, target: Path) -> None:
        if self.concerns(target) and source.is_file():
            old = target.read_bytes() if target.exists() else None
            self.renamed.append((target, old))
            self.synced[str(target)] = self.synced.get(str(source), 0)

    def lose_power(self) -> None:
        """Cut every file to its last flush and half a line; undo renames nobody flushed."""
        for target, old in reversed(self.renamed):
            if old is None:
                target.unlink(missing_ok=True)
            else:
                target.write_bytes(old)
                self.synced[str(target)] = len(old)
        for path in self.root.rglob("*"):
            if not path.is_file() or path.is_symlink():
                continue
            kept, content = self.synced.get(str(path), 0), path.read_bytes()
            if len(content) > kept:
                rest = content[kept:].split(b"\n")[0]
                path.write_bytes(content[: kept + len(rest) // 2])


class Hooks:
    """The patches of one child."""

    def __init__(
        self, kill: Kill, *, root: Path, trace: Path | None, late: Path, raise_epoch_at: int = 0
    ) -> None:
        self.kill = kill
        self.root = root
        self.raise_epoch_at = raise_epoch_at
        self.trace = trace
        self.late = late
        self.count = 0
        self.disk = Disk(root) if kill.power else None
        self._is_inside = False

    def install(self) -> None:
        import requests

        from tf_lib.store.ledger import Ledger

        if self.disk is not None:
            self.disk.begin()
        Ledger._append = self._ledger(Ledger._append)  # type: ignore[method-assign]
        requests.Session.send = self._send(requests.Session.send)  # type: ignore[method-assign]
        os.replace = self._moved(os.replace)
        os.rename = self._moved(os.rename)
        os.fsync = self._flushed(os.fsync)

    # -- moments -------------------------------------------------------------------------

    def _before(self, what: str, *, is_changing: bool = False) -> None:
        self.count += 1
        if self.trace is not None:
            with open(self.trace, "a", encoding="utf-8") as file:
                file.write(json.dumps([self.count, what, is_changing]) + "\n")
        if self.count == self.raise_epoch_at:
            (self.root / "state" / "epoch").write_text("1000\n", encoding="utf-8")
        self._maybe("before")

    def _maybe(self, moment: str) -> None:
        if (self.count, moment) == (self.kill.number, self.kill.moment):
            self._end()

    def _is_due(self, moment: str) -> bool:
        return (self.count, moment) == (self.kill.number, self.kill.moment)

    def _end(self) -> None:
        if self.disk is not None:
            self.disk.lose_power()
        os.kill(os.getpid(), signal.SIGKILL)

    # -- patches -------------------------------------------------------------------------

    def _ledger(self, append: Callable[..., None]) -> Callable[..., None]:
        def appended(ledger: Any, line: bytes) -> None:
            record = json.loads(line)
            name = record.get("to") or record.get("mark") or record.get("leg") or ""
            self._before(f"ledger {record['kind']} {name}".strip())
            if self._is_due("torn"):
                os.write(ledger._file, line[: len(line) // 2])
                self._end()
            append(ledger, line)
            self._maybe("after")

        return appended

    def _send(self, send: Callable[..., Any]) -> Callable[..., Any]:
        def sent(session: Any, request: Any, **options: Any) -> Any:
            path = urlsplit(request.url).path.removeprefix("/api/v3/brokerage")
            is_changing = request.method == "POST" and path in ("/orders", "/orders/batch_cancel")
            self._before(f"{request.method} {path}", is_changing=is_changing)
            if self._is_due("late"):
                body = request.body.decode() if isinstance(request.body, bytes) else request.body
                content = {"method": request.method, "path": urlsplit(request.url).path}
                self.late.write_text(json.dumps(content | {"body": json.loads(body)}))
                self._end()
            answer = send(session, request, **options)
            self._maybe("after")
            return answer

        return sent

    def _moved(self, move: Callable[..., None]) -> Callable[..., None]:
        def moved(source: Any, target: Any, **options: Any) -> None:
            if self._is_inside:
                move(source, target, **options)
                return
            self._is_inside = True
            try:
                self._before(f"rename {Path(target).name}")
                if self.disk is not None:
                    self.disk.moving(Path(source), Path(target))
                move(source, target, **options)
                self._maybe("after")
            finally:
                self._is_inside = False

        return moved

    def _flushed(self, flush: Callable[..., None]) -> Callable[..., None]:
        def flushed(handle: int) -> None:
            flush(handle)
            if self.disk is not None:
                self.disk.flushed(handle)

        return flushed
