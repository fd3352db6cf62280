"""``python -m tests.simulator.long_run [RULES]``: money is conserved over so many rules."""

from __future__ import annotations

import sys
import time

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.simulator.test_conservation import Exchange

STEPS = 60


def main() -> None:
    """Run the state machine with fresh chance until enough rules have been executed."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    started = time.perf_counter()
    Exchange.executed = 0
    while Exchange.executed < wanted:
        run_state_machine_as_test(
            Exchange,
            settings=settings(
                max_examples=20,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        print(f"{Exchange.executed} rules, {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
