"""Commands that tests start as processes of their own, and what they say."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any

Ended = tuple[int, str, str]


def begun(words: Sequence[Any], **options: Any) -> subprocess.Popen[str]:
    """Start a command that is given nothing to read and whose text is heard."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(words, text=True, **pipes | options)


def end(process: subprocess.Popen[str], *, seconds: float = 120) -> Ended:
    """Wait for a command; return its exit code and what it said to stdout and stderr."""
    with process:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return process.returncode, out, err


def ended(words: Sequence[Any], *, seconds: float = 240, **options: Any) -> Ended:
    """Start a command and wait for it."""
    return end(begun(words, **options), seconds=seconds)
