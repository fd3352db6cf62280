"""
The ``reset`` command: a profile of the embedded exchange begins anew.

A simulated exchange's time does not go back, so a demo that was moved far ahead could never run
today again. Its folder is moved aside, whole; nothing is deleted.
"""

from __future__ import annotations

from tf_lib.app.connection import is_embedded
from tf_lib.app.options import ProfileOptions, agreed
from tf_lib.errors import EXIT_DONE, ParameterError
from tf_lib.safety.lock import state_lock


def reset_command(options: ProfileOptions, *, is_sure: bool) -> int:
    """Move a profile's folder aside once somebody said yes."""
    name, parameters, folder = options.load()
    if not is_embedded(parameters):
        raise ParameterError(
            f"profile {name} has exchange.kind {parameters.exchange.kind} at an address: only an "
            "exchange that lives in its folder can begin anew. Nothing was moved."
        )
    if not folder.path.is_dir():
        print(f"profile {name} never ran: there is nothing to move aside ({folder.path})")
        return EXIT_DONE
    question = f"Move {folder.path} ({len(folder.days())} days) aside and begin anew?"
    if not is_sure and not agreed(question, what="move the folder aside"):
        print("nothing was moved")
        return EXIT_DONE
    with state_lock(folder.state, kind="reset"):
        kept = folder.move_aside()
    print(f"profile {name} begins anew with its next run; its past is in {kept}")
    return EXIT_DONE
