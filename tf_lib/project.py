"""
Where things lie: notebooks, parameters, the glossary and runs.

In a checkout all of it is in the project's folder. Where a wheel was installed, what is shipped
with it is in the package, and runs in the folder that a command is called in.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import tf_lib
from tf_lib.errors import ParameterError

_PACKAGE = Path(tf_lib.__file__).resolve().parent
_SHIPPED = _PACKAGE / "shipped"
"""Made by the build of a wheel (setup.py); a checkout has no such folder."""

IS_INSTALLED = _SHIPPED.is_dir()
ROOT = _SHIPPED if IS_INSTALLED else _PACKAGE.parent
NOTEBOOKS = ROOT / "notebooks"
PARAMETERS = ROOT / "parameters"
GLOSSARY = ROOT / "docs" / "glossary.md"
RUN_COMMAND = "tf run" if IS_INSTALLED else "scripts/run_papermill.sh"
PROFILES = ("demo", "paper", "live")


def default_runs() -> Path:
    """Return where the runs are if nothing else is said."""
    return (Path.cwd() if IS_INSTALLED else ROOT) / "runs"


def profile_file(profile: str) -> Path:
    """
    Return the file of a named profile.

    Raises
    ------
    ParameterError
        If there is none of that name, or it is not for use as an installation has it: an update
        of the package must not change what an account is traded by.
    """
    if profile not in PROFILES:
        raise ParameterError(f"profile must be one of {', '.join(PROFILES)}, got {profile!r}")
    if IS_INSTALLED and profile != "demo":
        raise ParameterError(
            f"profile {profile}: where the package was installed from a wheel, only the demo has "
            f"parameters of its own. Copy them with: cp -r {shlex.quote(str(PARAMETERS))} . "
            f"and name your file: --config parameters/{profile}.yaml"
        )
    return PARAMETERS / f"{profile}.yaml"
