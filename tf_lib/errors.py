"""
Every error the project raises, grouped by what the reader must do next.

    TfError
      InputError              fix the call, the YAML or the file; never retry      exit 2
        ParameterError          a key, a value or the shape of a parameter file
        BarsError               a candle, a candle file or a candle folder
        StateError              a run folder or state file that cannot be used
      LockHeld                another process works on this portfolio               exit 4
      PreflightRefused        refused before the first changing request             exit 5
      ExchangeError           the exchange did not give what was asked              exit 1
        RetryableError          a read that may be sent again
        RejectedError           the exchange said no; do not resend
        UnknownState            an answer that cannot be believed (holdings, prices)
      HaltRun                 stop trading, keep the record, call a person          exit 1

A message says what was wanted, what came, and which ticker, bar, key or order. A gate that
says no is not an error: it is a ``reason`` in the record.
"""

from __future__ import annotations

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_UNPROTECTED = 3
EXIT_LOCKED = 4
EXIT_REFUSED = 5


class TfError(Exception):
    """Base of every error here; `exit_code` is what the command line returns for it."""

    exit_code = EXIT_FAILED


class InputError(TfError):
    """The caller's input is wrong; nothing was changed."""

    exit_code = EXIT_BAD_INPUT


class ParameterError(InputError):
    """A parameter file or an option is wrong: names the file, the key and what was expected."""


class BarsError(InputError):
    """A candle is wrong or missing: names the ticker or file, and the bar."""


class StateError(InputError):
    """A run folder, state file or record cannot be used as it is."""


class UnreadableState(StateError):
    """Ledger or epoch of a profile cannot be read: nothing is traded, all is protected."""


class LockHeld(TfError):
    """Another process holds the lock of this portfolio."""

    exit_code = EXIT_LOCKED


class PreflightRefused(TfError):
    """Refused before the first request that changes anything."""

    exit_code = EXIT_REFUSED


class ExchangeError(TfError):
    """The exchange did not answer as wanted."""


class RetryableError(ExchangeError):
    """A read failed in a way that another try may overcome."""


class RejectedError(ExchangeError):
    """The exchange provably refused; the same request must not be sent again."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message, code)
        self.message = message
        self.code = code

    def __str__(self) -> str:
        """Return the message, which already names the code."""
        return self.message


class UnknownState(ExchangeError):
    """An answer that cannot be believed: unknown is never zero and never failed."""


class HaltRun(TfError):
    """Stop trading, write the artifacts, call a person."""
