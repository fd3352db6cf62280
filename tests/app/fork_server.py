"""
A process that has imported everything and forks a child for each command; the child may be killed.

One JSON line per command on stdin, one JSON line per answer on stdout. The embedded exchange
lives in the child and dies with it, as the machine's power would take both; what it had answered
is in its SQLite file.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any


def prepare() -> None:
    """Do one whole day, so that all is imported and compiled before the first fork."""
    from tests.app.profile import FEW_UNIVERSE, Profile, write_parameters

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parameters = write_parameters(folder / "warm.yaml", universe=FEW_UNIVERSE)
        code, said = Profile(parameters, folder / "runs").run("2024-03-11")
    if code:
        raise SystemExit(said)


class Killer:
    """
    Ends the process by SIGKILL at one point of its life.

    Points are counted from 1 over the ledger's lines and the changing requests together; each has
    the moments ``before`` (nothing of it happened), ``torn`` (half a line is on disk; ledger only)
    and ``after`` (it is durable, or answered, and nobody knows yet).
    """

    def __init__(self, number: int, moment: str, listing: Path | None) -> None:
        self.number = number
        self.moment = moment
        self.listing = listing
        self.count = 0

    def at(self, moment: str, what: str) -> None:
        if moment == "before":
            self.count += 1
            if self.listing is not None:
                with self.listing.open("a", encoding="utf-8") as points:
                    points.write(f"{self.count} {what}\n")
        if (self.count, moment) == (self.number, self.moment):
            os.kill(os.getpid(), signal.SIGKILL)

    def arm(self) -> None:
        from tf_lib.exchange.coinbase.wire import Wire
        from tf_lib.store.ledger import Ledger

        write, change = Ledger._write, Wire.change

        def deadly_write(ledger: Ledger, text: str) -> None:
            line = json.loads(text)
            what = f"ledger {line['kind']} {line.get('to', line.get('mark', ''))}"
            self.at("before", what)
            if (self.count, "torn") == (self.number, self.moment):
                with ledger.path.open("ab") as file:
                    file.write(text.encode()[: len(text) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            write(ledger, text)
            self.at("after", what)

        def deadly_change(wire: Wire, action: str, subject: str, call: Any) -> Any:
            what = f"request {action} {subject}"
            self.at("before", what)
            reply = change(wire, action, subject, call)
            self.at("after", what)
            return reply

        Ledger._write = deadly_write  # type: ignore[method-assign]
        Wire.change = deadly_change  # type: ignore[method-assign]


def child(order: dict[str, Any]) -> int:
    """Do one command; the exit code is the command's."""
    from tests.app.profile import command

    listing = Path(order["listing"]) if order.get("listing") else None
    Killer(order.get("number", 0), order.get("moment", ""), listing).arm()
    code, said = command(*order["arguments"])
    Path(order["said"]).write_text(said, encoding="utf-8")
    return code


def serve() -> None:
    """Answer commands until stdin ends."""
    prepare()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            code = 99
            with contextlib.suppress(BaseException):
                code = child(order)
            os._exit(code)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    serve()
