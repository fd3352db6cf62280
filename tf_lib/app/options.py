"""What the command line asked: which profile, and what of a run."""

from __future__ import annotations

import datetime as dt
import sys
from dataclasses import dataclass
from pathlib import Path

from tf_lib.errors import ParameterError
from tf_lib.parameters import Config, load_config
from tf_lib.project import default_runs, profile_file
from tf_lib.store.run_folder import ProfileFolder


@dataclass(frozen=True)
class ProfileOptions:
    """Which profile, or which parameter file, a command is about, and where its runs are."""

    profile: str | None = None
    config: Path | None = None
    runs: Path | None = None

    def load(self, *, decides: bool = False) -> tuple[str, Config, ProfileFolder]:
        """
        Return the profile's name, its checked parameters, and its folder of runs.

        Parameters
        ----------
        decides : bool
            Whether signals are computed with them (`tf_lib.parameters.load_config`).

        Raises
        ------
        ParameterError
            If both ways to name parameters are used, or a file is wrong.
        """
        if self.profile is not None and self.config is not None:
            raise ParameterError("give --profile or --config, not both")
        name = self.profile or "demo" if self.config is None else self.config.stem
        config = load_config(self.config or profile_file(name), decides=decides)
        return name, config, ProfileFolder((self.runs or default_runs()).resolve(), name)

    @property
    def in_words(self) -> str:
        """How the same profile or file is named on the command line."""
        if self.config is not None:
            return f"--config {self.config}"
        return f"--profile {self.profile or 'demo'}"


@dataclass(frozen=True)
class RunOptions(ProfileOptions):
    """What the command line asked of a daily run."""

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


def agreed(question: str, *, what: str) -> bool:
    """
    Ask a person a question that is answered with yes or no; no is the default.

    Raises
    ------
    ParameterError
        If nobody is there to ask; it says what ``--yes`` would do.
    """
    if not sys.stdin.isatty():
        raise ParameterError(f"nobody is there to ask: say --yes to {what}")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
