"""
A process that has imported everything and forks a child for each command; the child may be killed.

One JSON line per command on stdin, one per answer on stdout. The exchange of the proofs is not in
here: it lives on in the process that judges. One that is embedded lives in the child and dies with
it, as the machine's power would take both; what it had answered is in its SQLite file.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import io
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

PROJECT = Path(__file__).resolve().parents[2]
KILLED = -9


class ForkServer:
    """The process, as whoever gives it orders sees it; `warm` is done in it before it forks."""

    def __init__(self, warm: list[str], **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.proofs.fork_server"],
            cwd=PROJECT,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ask({"arguments": warm})

    def ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Give an order and wait for what became of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the fork server is gone: exit {self._process.wait(timeout=30)}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


@functools.cache
def prepare() -> None:
    """Import what every command needs, and let no read wait in real time."""
    import tf_lib.app.cli
    import tf_lib.app.commands.guard
    import tf_lib.app.daily.day
    import tf_lib.app.daily.open_day
    import tf_lib.app.launch.cover
    import tf_lib.app.launch.runner
    import tf_lib.exchange.coinbase.client
    from tf_lib.exchange.coinbase.wire import RetryRule

    patient = functools.partial(RetryRule, sleep=lambda seconds: None)
    mock.patch.object(tf_lib.exchange.coinbase.client, "RetryRule", patient).start()


@functools.cache
def command_line() -> Any:
    """Return the command line, put together once as in a process of its own."""
    from typer.main import get_command

    from tf_lib.app.cli import app

    return get_command(app)


def call(arguments: list[str]) -> tuple[int, str]:
    """Call ``tf`` in this process."""
    from tf_lib.app.cli import run_command

    heard = io.StringIO()
    with contextlib.redirect_stdout(heard), contextlib.redirect_stderr(heard):
        try:
            code = run_command(lambda **options: command_line()(list(arguments), **options))
        except Exception:
            traceback.print_exc(file=heard)
            code = 98
    return code, heard.getvalue()


def child(order: dict[str, Any]) -> int:
    """Do one command under its hooks; the exit code is the command's."""
    from tests.proofs.hooks import Hooks, Kill
    from tests.proofs.planted import plant
    from tests.proofs.wall import Inside, Machine

    if order.get("setting"):
        machine = Machine(**order["setting"]["machine"])
        Inside(order["door"], order["setting"]["late_ms"]).install(machine)
    if order.get("hasty"):
        # Before an exchange has told that its clock stands still, reads are waited for in our time.
        time.sleep = lambda seconds: None
    if order.get("planted"):
        plant(order["planted"])
    trace = order.get("trace")
    Hooks(
        Kill(**order.get("kill", {})),
        root=Path(order["root"]),
        trace=Path(trace) if trace else None,
        late=Path(order["late"]),
        raise_epoch_at=order.get("raise_epoch_at", 0),
    ).install()
    code, said = call(order["arguments"])
    with open(order["said"], "w", encoding="utf-8") as file:
        file.write(said)
    return code


def serve() -> None:
    """Answer commands until stdin ends."""
    prepare()
    warm = sys.stdin.readline()
    if json.loads(warm).get("arguments"):
        call(json.loads(warm)["arguments"])
    # A collection in a child would copy every page of this process.
    gc.collect()
    gc.freeze()
    gc.disable()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        count = order.get("times", 1)
        ends = [wait(pid) for pid in [fork(order, number) for number in range(count)]]
        codes = [code for code, _ in ends]
        cpu = sum(seconds for _, seconds in ends)
        print(json.dumps({"code": codes[0], "codes": codes, "cpu": cpu}), flush=True)


def fork(order: dict[str, Any], number: int) -> int:
    """Start one child; the first says what it has to say where it was told to."""
    pid = os.fork()
    if pid:
        return pid
    code, said = 99, order["said"] if not number else f"{order['said']}.{number}"
    try:
        code = child(order | {"said": said})
    except BaseException:
        Path(said).write_text(traceback.format_exc(), encoding="utf-8")
    os._exit(code)


def wait(pid: int) -> tuple[int, float]:
    """Return a child's exit code and the seconds of CPU that it took."""
    _, status, used = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


if __name__ == "__main__":
    serve()
