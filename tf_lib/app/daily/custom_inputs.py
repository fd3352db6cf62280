"""
Custom inputs: the files of a user's own signal components, as a run keeps them and depends on them.

The parameters of a run hold their text already, which is what a replay runs. The copies are for
people, and for the day on which one of them is wanted back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tf_lib.errors import HaltRun, ParameterError
from tf_lib.parameters import Config
from tf_lib.store.files import write_whole
from tf_lib.store.run_folder import RunFolder


def custom_files(config: Config) -> dict[str, str]:
    """Return the text of each file by its place in a run's folder."""
    return {f"inputs/{one.file}": one.source for one in config.signals.custom.values()}


def keep_custom_files(folder: RunFolder, config: Config) -> None:
    """Copy the files that the parameters took in."""
    for name, text in custom_files(config).items():
        write_whole(folder.path / name, text)


@contextlib.contextmanager
def halting() -> Iterator[None]:
    """
    Halt the run where a component fails: it decides nothing, and stops stay.

    Raises
    ------
    HaltRun
        In place of `ParameterError`: the parameters were good enough to start with.
    """
    try:
        yield
    except ParameterError as error:
        raise HaltRun(
            f"{error}. Nothing was decided or traded; what is held stays under its stops. Correct "
            "the component, or give it no weight (weight: null), and run again"
        ) from error
