"""
The wall clock: a machine whose time is not the exchange's.

``python -m tests.proofs.wall SETTING COMMAND ...`` is ``tf`` on a machine that lives in the
exchange's time but for an error: ahead or behind, drifting, set in mid-run. As on a real one, whose
clock somebody sets, only ``time.time`` is wrong; the clock that counts from the boot goes on.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Machine:
    """
    A machine's clock, in seconds.

    Attributes
    ----------
    shift : float
        What its time is away from this machine's at the beginning.
    drift : float
        How much faster it goes than it should, as a fraction.
    step : float
        By how much it is set.
    step_file : str
        It is set while this file is there.
    """

    shift: float
    drift: float = 0.0
    step: float = 0.0
    step_file: str = ""

    def command(self) -> tuple[str, ...]:
        """Return how ``tf`` is called on this machine."""
        setting = json.dumps(asdict(self))
        return (sys.executable, "-W", "error", "-m", "tests.proofs.wall", setting)

    def install(self) -> None:
        """Let this process live on this machine."""
        time.time = self._clock(time.time)

    def _clock(self, right: Callable[[], float]) -> Callable[[], float]:
        began = right()

        def wrong() -> float:
            passed = right() - began
            stepped = self.step if self.step and os.path.exists(self.step_file) else 0.0
            return began + passed * (1 + self.drift) + self.shift + stepped

        return wrong


def main(setting: str, arguments: list[str]) -> int:
    """Do one command on a machine."""
    Machine(**json.loads(setting)).install()
    from tf_lib.drivers.cli import app, run_command

    def called(**options: Any) -> Any:
        return app(arguments, **options)

    return run_command(called)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
