"""What a verbose traceback would show of an error."""

from __future__ import annotations

import traceback


def shown_with_locals(error: BaseException) -> str:
    """Return the error's traceback with the locals of every frame but the tests' own."""
    chain = traceback.TracebackException.from_exception(error, capture_locals=True)
    links: list[traceback.TracebackException] = [chain]
    while links[-1].__cause__ or links[-1].__context__:
        links.append(links[-1].__cause__ or links[-1].__context__)  # type: ignore[arg-type]
    for link in links:
        kept = [frame for frame in link.stack if "/tests/" not in frame.filename]
        link.stack = traceback.StackSummary.from_list(kept)
    return "".join(chain.format())
