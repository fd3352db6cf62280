"""What the command line asked of a run."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path

from tf_lib.errors import ParameterError
from tf_lib.parameters import Config, load_config
from tf_lib.project import default_runs, profile_file


@dataclass(frozen=True)
class RunOptions:
    """What the command line asked for."""

    profile: str | None = None
    config: Path | None = None
    runs: Path = field(default_factory=default_runs)
    date: dt.date | None = None
    dry_run: bool = False
    force_run: bool = False
    run_at_utc_hour: int = 0
    gate_minutes: int = 5
    notebook: bool = True

    @property
    def patience(self) -> float:
        """Seconds that a run waits for a guard: as long as its gate is open."""
        return 60.0 * max(self.gate_minutes, 1)

    def check(self) -> None:
        """
        Refuse a gate that is no time of day.

        Raises
        ------
        ParameterError
            Naming both options.
        """
        if not (0 <= self.run_at_utc_hour <= 23 and 0 <= self.gate_minutes <= 59):
            raise ParameterError(
                f"--run-at-utc-hour must be 0 to 23 and --gate-minutes 0 to 59, got "
                f"{self.run_at_utc_hour} and {self.gate_minutes}"
            )

    def load(self) -> tuple[str, Config]:
        """
        Return the profile's name and its checked parameters.

        Raises
        ------
        ParameterError
            If both ways to name parameters are used, or a file is wrong.
        """
        if self.profile is not None and self.config is not None:
            raise ParameterError("give --profile or --config, not both")
        if self.config is not None:
            return self.config.stem, load_config(self.config)
        name = self.profile or "demo"
        return name, load_config(profile_file(name))
