"""
The wire: one SDK client, and what becomes of a request.

Every call has a time-out. A read is tried a bounded number of times, with jitter, and on for as
long as the caller has patience; a 401 gets one fresh token. A changing request is sent once, and
whatever happens comes back as a `Reply` to be judged (`tf_lib.exchange.coinbase.answers`), never as
an exception out of the SDK: its frames hold the secret, so errors are raised anew, outside of its
traceback. One wire serves one thread.
"""

from __future__ import annotations

import json
import math
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tf_lib.errors import RejectedError, RetryableError, TfError
from tf_lib.exchange.coinbase.auth import ApiKey, keep_token_time
from tf_lib.exchange.hosts import is_loopback
from tf_lib.exchange.patience import Patience
from tf_lib.text.shown import printable

if TYPE_CHECKING:
    from coinbase.rest import RESTClient
    from tenacity import Retrying

_MOST_WRAPPINGS = 8
_MOST_TEXT = 300
_HTTP_OK = 200
_UNAUTHORIZED = 401
_RETRYABLE_STATUS = frozenset({408, 425, 429}) | frozenset(range(500, 600))
_RESTART_SECONDS = 20.0
"""A simulated exchange that is started again is back by then; at a crowded one somebody listens."""


class HttpRejectedError(RejectedError):
    """A refusal that came with an HTTP status."""

    def __init__(self, message: str, code: str = "", status: int = 0) -> None:
        super().__init__(message, code)
        self.args = (message, code, status)
        self.status = status


class UnansweredError(RetryableError):
    """A read that no answer came to; waiting helps for so many seconds."""

    def __init__(self, message: str, waiting_helps: float) -> None:
        super().__init__(message)
        self.args = (message, waiting_helps)
        self.waiting_helps = waiting_helps

    def __str__(self) -> str:
        """Return the message alone."""
        return str(self.args[0])


@dataclass(frozen=True)
class Reply:
    """
    What came of one request.

    Attributes
    ----------
    status : int or None
        HTTP status; None when no answer came, or one that could not be read.
    payload : mapping or None
        The JSON object that came.
    problem : str
        Why this is no clean answer; empty when it is.
    waiting_helps : float
        For how many seconds it makes sense to ask again.
    """

    status: int | None
    payload: dict[str, Any] | None
    problem: str = ""
    waiting_helps: float = math.inf

    @property
    def is_clean(self) -> bool:
        """Whether a JSON object came with status 200."""
        return self.status == _HTTP_OK and self.payload is not None and not self.problem


@dataclass
class RateBudget:
    """
    Waits so that no more than so many requests go out in each span.

    Coinbase allowed 30 private requests a second and 10,000 an hour; this stays below.
    """

    limits: tuple[tuple[int, float], ...] = ((20, 1.0), (9000, 3600.0))
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _sent: deque[float] = field(default_factory=deque, init=False)

    def wait(self) -> None:
        """Wait until one more request is allowed, and count it."""
        for most, span_seconds in self.limits:
            if len(self._sent) >= most:
                over = self._sent[-most] + span_seconds - self.clock()
                if over > 0:
                    self.sleep(over)
        self._sent.append(self.clock())
        longest = max((most for most, _ in self.limits), default=0)
        while len(self._sent) > longest:
            self._sent.popleft()


@dataclass(frozen=True)
class RetryRule:
    """How often and how long a read is tried; `sleep` is given so that tests need not wait."""

    attempts: int = 3
    total_seconds: float = 30.0
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 4.0
    sleep: Callable[[float], None] = time.sleep


class Wire:
    """
    Requests through one SDK client.

    Parameters
    ----------
    client : RESTClient
        Made with its key and time-out.
    key : ApiKey
        Only to keep it out of every text.
    retry : RetryRule
    budget : RateBudget
    """

    def __init__(
        self, client: RESTClient, key: ApiKey, *, retry: RetryRule, budget: RateBudget
    ) -> None:
        self._client = client
        self._key = key
        self._retry = retry
        self._budget = budget
        self.heard_time = keep_token_time(client, key)
        self.requests_sent = 0
        self.before_send: Callable[[str, str], None] | None = None
        self.patience: Patience | None = None

    def __repr__(self) -> str:
        """Name the host only."""
        return f"Wire({self._client.base_url})"

    @property
    def host(self) -> str:
        """Host and port that are spoken to."""
        return str(self._client.base_url)

    def listen(self, hear: Callable[[Mapping[str, str]], None]) -> None:
        """Let `hear` have the headers of every answer from now on."""

        def heard(response: Any, **_: object) -> None:
            hear(response.headers)

        self._client.session.hooks["response"].append(heard)

    def close(self) -> None:
        """Close the connections."""
        self._client.session.close()

    def get(
        self, path: str, params: Mapping[str, Any] | None = None, *, public: bool = False
    ) -> dict[str, Any]:
        """
        Read one path below the API's prefix.

        Raises
        ------
        RetryableError
            Not answered after the last try.
        RejectedError
            Answered with a refusal.
        """
        from coinbase.constants import API_PREFIX

        query = dict(params or {})
        return self.read(
            f"GET {path}",
            lambda client: client.get(f"{API_PREFIX}{path}", params=dict(query), public=public),
        )

    def read(self, what: str, call: Callable[[RESTClient], Any]) -> dict[str, Any]:
        """Make a call that changes nothing, again within bounds when it fails."""
        tokens_refused = 0

        def once() -> dict[str, Any]:
            nonlocal tokens_refused
            self._budget.wait()
            reply = self._send(call)
            if reply.is_clean and reply.payload is not None:
                return reply.payload
            tokens_refused += reply.status == _UNAUTHORIZED
            raise read_error(what, reply, may_try_again=tokens_refused == 1)

        tries, began = self._retry.attempts, time.monotonic()
        while True:
            try:
                payload = self._retrying(tries)(once)
            except RetryableError as error:
                if not self._may_wait(error, time.monotonic() - began):
                    raise
                tries, began = 1, time.monotonic()
            else:
                if self.patience is not None:
                    self.patience.answered()
                return payload

    def _retrying(self, tries: int) -> Retrying:
        from tenacity import (
            Retrying,
            retry_if_exception_type,
            stop_after_attempt,
            stop_after_delay,
            wait_exponential,
            wait_random,
        )

        rule = self._retry
        return Retrying(
            retry=retry_if_exception_type(RetryableError),
            stop=stop_after_attempt(tries) | stop_after_delay(rule.total_seconds),
            wait=wait_exponential(rule.first_wait_seconds, max=rule.longest_wait_seconds)
            + wait_random(0, rule.first_wait_seconds),
            sleep=rule.sleep,
            reraise=True,
        )

    def _may_wait(self, error: RetryableError, tried_seconds: float) -> bool:
        """Wait before one more try, if there is patience for one; whether there was."""
        patience = self.patience
        if patience is None:
            return False
        if isinstance(error, UnansweredError) and patience.spent >= error.waiting_helps:
            return False
        return patience.wait(str(error), tried_seconds=tried_seconds)

    def change(self, action: str, subject: str, call: Callable[[RESTClient], Any]) -> Reply:
        """
        Send one changing request, once; `before_send` may still stop it by raising.

        Parameters
        ----------
        action, subject : str
            What is sent and for which id, as `before_send` gets it.
        """
        # Waiting comes first: what the hook checked must not grow old before the request.
        self._budget.wait()
        if self.before_send is not None:
            self.before_send(action, subject)
        return self._send(call)

    def _send(self, call: Callable[[RESTClient], Any]) -> Reply:
        self.requests_sent += 1
        try:
            answer = call(self._client)
            payload = _seen(answer if isinstance(answer, dict) else answer.to_dict())
        except Exception as error:  # whatever leaves the SDK: it is judged, not raised
            return self._reply_to(error)
        return Reply(_HTTP_OK, payload)

    def _reply_to(self, error: Exception) -> Reply:
        response = getattr(error, "response", None)
        status = getattr(response, "status_code", None)
        root = _root_of(error)
        said = getattr(root, "strerror", None) or root
        problem = self._key.scrub(f"{type(error).__name__}: {said}")
        if not isinstance(status, int) or response is None:
            return Reply(None, None, _shortened(problem), self._waiting_helps(root))
        try:
            body = _seen(json.loads(self._key.scrub(response.text)))
        except (ValueError, RecursionError):
            body = None
        return Reply(status, body if isinstance(body, dict) else None, _shortened(problem))

    def _waiting_helps(self, root: BaseException) -> float:
        """Return for how long it helps to ask again where the network gave no answer."""
        if isinstance(root, ssl.SSLCertVerificationError):
            return 0.0
        is_refused = isinstance(root, ConnectionRefusedError)
        return _RESTART_SECONDS if is_refused and is_loopback(self.host) else math.inf


def _seen(value: Any) -> Any:
    """Escape what acts instead of being seen in every text of an answer, here at the border."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {_seen(key): _seen(each) for key, each in value.items()}
    return [_seen(each) for each in value] if isinstance(value, list) else value


def _root_of(error: Exception) -> BaseException:
    """Return what lies below an error of the network, which libraries wrap three times over."""
    root: BaseException = error
    if getattr(error, "response", None) is not None:
        return root
    for _ in range(_MOST_WRAPPINGS):
        below = [getattr(root, "reason", None), *root.args, root.__cause__, root.__context__]
        inner = next((one for one in below if isinstance(one, BaseException)), None)
        if inner is None:
            break
        root = inner
    return root


def read_error(what: str, reply: Reply, *, may_try_again: bool) -> TfError:
    """Return the error that a failed read raises."""
    text = f"{what}: {reply.problem or 'the answer is no JSON object'}"
    status = reply.status
    if status is None:
        return UnansweredError(text, reply.waiting_helps)
    if status < 300 or status in _RETRYABLE_STATUS:
        return RetryableError(text)
    if status == _UNAUTHORIZED and may_try_again:
        return RetryableError(text)
    code = (reply.payload or {}).get("error")
    return HttpRejectedError(text, code if isinstance(code, str) else f"HTTP_{status}", status)


def _shortened(text: str) -> str:
    """Keep the first words of what may be kilobytes of HTML, on one line."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= _MOST_TEXT else line[:_MOST_TEXT] + " ..."
