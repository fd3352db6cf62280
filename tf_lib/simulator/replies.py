"""Answers of the exchange: the shapes of success, of refusal and of error."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Cut(StrEnum):
    """How the line fails while an answer is on its way."""

    CLOSE = "close"
    RESET = "reset"
    TRUNCATE = "truncate"


@dataclass(frozen=True)
class Response:
    """
    One answer.

    Attributes
    ----------
    payload : any
        What becomes the JSON body; ignored when `text` is given.
    text : str or None
        A body that is not JSON.
    cut : Cut or None
        The line fails instead of (or within) the answer.
    wait_seconds : float
        Wall-clock seconds before anything is sent.
    """

    status: int
    payload: Any = None
    text: str | None = None
    content_type: str = "application/json"
    cut: Cut | None = None
    wait_seconds: float = 0.0


class ApiError(Exception):
    """A request answered with an HTTP error in the exchange's general JSON form."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(status, error, message)
        self.reply = Response(
            status, {"error": error, "error_details": message, "message": message}
        )


def invalid(message: str) -> ApiError:
    """Return the error for a request that is malformed."""
    return ApiError(400, "INVALID_ARGUMENT", message)


def not_found(message: str) -> ApiError:
    """Return the error for something that does not exist."""
    return ApiError(404, "NOT_FOUND", message)


def missing_scope() -> ApiError:
    """Return the error for a key that may not do this."""
    return ApiError(403, "PERMISSION_DENIED", "Missing required scopes")


def unauthorized() -> Response:
    """Return the answer to a token that is not accepted: plain text, no JSON."""
    return Response(401, text="Unauthorized\n", content_type="text/plain; charset=utf-8")


UNKNOWN = "UNKNOWN_FAILURE_REASON"


class RefusedError(Exception):
    """
    An order that is refused inside an HTTP 200.

    Parameters
    ----------
    error : str
        Code in ``error`` and ``new_order_failure_reason``.
    preview : str
        Code in ``preview_failure_reason`` and in the ``errs`` of a preview.
    message : str
        Words for a person, often empty.
    """

    def __init__(self, error: str, preview: str, message: str = "") -> None:
        super().__init__(error, preview, message)
        self.error = error
        self.preview = preview
        self.message = message

    def body(self, configuration: Any) -> dict[str, Any]:
        """Return the answer to an order of this configuration."""
        error_response = {
            "error": self.error,
            "message": self.message,
            "error_details": "",
            "preview_failure_reason": self.preview,
            "new_order_failure_reason": self.error,
        }
        return {
            "success": False,
            "error_response": error_response,
            "order_configuration": configuration,
        }


def refused(code: str, message: str = "") -> RefusedError:
    """Return a refusal whose code in a preview is the same, after ``PREVIEW_``."""
    return RefusedError(code, f"PREVIEW_{code}", message)


def unsupported(message: str) -> RefusedError:
    """An order of a kind the product does not take."""
    return RefusedError("UNSUPPORTED_ORDER_CONFIGURATION", "PREVIEW_INVALID_ORDER_CONFIG", message)


def used_client_id() -> RefusedError:
    """Another order has this client id."""
    code = "DUPLICATE_CLIENT_ORDER_ID"
    return RefusedError(code, "UNKNOWN_PREVIEW_FAILURE_REASON", "Duplicate client order id")


def only_in_preview(code: str) -> RefusedError:
    """Return a refusal whose useful code stands in ``preview_failure_reason`` alone."""
    return RefusedError(UNKNOWN, code)
