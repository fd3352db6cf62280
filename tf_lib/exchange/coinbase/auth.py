"""
Authentication: the API key, and the tokens that are signed with it.

The key is read once, handed to the SDK explicitly and shown to nobody. The SDK reads the
environment when it is imported and keeps what it finds as default arguments; here the key is
always passed, so that those defaults never act.

Tokens are dated by the exchange's clock, not by the machine's: the exchange refuses a token that
begins in its future, so a machine that is two seconds ahead gets nothing but 401. Every answer, a
refusal too, says in its ``Date`` what time it is there: with the second request at the latest the
tokens are dated by it. A machine whose clock is right sends the SDK's own tokens.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tf_lib.errors import PreflightRefused
from tf_lib.exchange.clock import HeardTime

if TYPE_CHECKING:
    from coinbase.rest import RESTClient

KEY_VARIABLE = "COINBASE_API_KEY"
SECRET_VARIABLE = "COINBASE_API_SECRET"
MASK = "***"
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*|Bearer\s+[\w.~+/=-]+")
_SHORTEST_HIDDEN = 8
_BEHIND_SECONDS = 30.0
"""A token lives 120 s: a machine that is a little behind needs no help."""


class ApiKey:
    """Name and private key of a Coinbase API key; masked wherever it is shown."""

    __slots__ = ("_name", "_secret")

    def __init__(self, name: str, secret: str) -> None:
        self._name = name
        self._secret = secret

    def __repr__(self) -> str:
        """Show that there is a key, and nothing of it."""
        return f"ApiKey({MASK})"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied into a file."""
        raise TypeError("an API key is not pickled")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> ApiKey:
        """Take the key from the environment, or say which variable is missing."""
        source = os.environ if environment is None else environment
        missing = [name for name in (KEY_VARIABLE, SECRET_VARIABLE) if not source.get(name)]
        if missing:
            raise PreflightRefused(
                f"no API key: {' and '.join(missing)} not set in the environment, "
                "and no key_file is named"
            )
        return cls(source[KEY_VARIABLE].strip(), source[SECRET_VARIABLE])

    @classmethod
    def from_file(cls, path: Path) -> ApiKey:
        """Read the JSON file that the Coinbase portal gives out (name and privateKey)."""
        found = _read_key_file(path)
        if isinstance(found, str):
            raise PreflightRefused(f"key file {path}: {found}")
        return found

    @property
    def for_sdk(self) -> dict[str, str]:
        """The two arguments of the SDK's client."""
        return {"api_key": self._name, "api_secret": self._secret}

    def check(self) -> None:
        """Sign a token, so that a bad key is found before the first request."""
        # Raised outside of the failed frames, which hold the secret.
        problem = self._problem_with_signing()
        if problem is not None:
            raise PreflightRefused(f"the API key cannot sign: {problem}")

    def _problem_with_signing(self) -> str | None:
        from coinbase import jwt_generator

        try:
            plain = self._secret.encode("utf-8").decode("unicode_escape")
            jwt_generator.build_jwt(self._name, plain)
        except Exception as error:  # the SDK raises plain Exception
            return self.scrub(str(error).split("\n")[0])
        return None

    def token(self, uri: str, *, begins: int) -> str:
        """Return what the SDK signs for a request, valid from a second since 1970 that is given."""
        import jwt
        from coinbase import jwt_generator

        plain = self._secret.encode("utf-8").decode("unicode_escape")
        made = jwt_generator.build_rest_jwt(uri, self._name, plain)
        claims = jwt.decode(made, options={"verify_signature": False})
        head = jwt.get_unverified_header(made)
        key = jwt_generator._load_private_key(plain)
        claims |= {"nbf": begins, "exp": begins + claims["exp"] - claims["nbf"]}
        return jwt.encode(claims, key, algorithm=head["alg"], headers=head)

    def scrub(self, text: str) -> str:
        """Return `text` without the key's name, its secret or any token."""
        pieces = {self._name, self._name.rsplit("/", 1)[-1], self._secret}
        plain = self._secret.replace("\\n", "\n")
        pieces.update(line.strip() for line in plain.splitlines() if "-----" not in line)
        clean = _TOKEN.sub(MASK, text)
        for piece in sorted(pieces, key=len, reverse=True):
            if len(piece) >= _SHORTEST_HIDDEN:
                clean = clean.replace(piece, MASK)
        return clean


def _read_key_file(path: Path) -> ApiKey | str:
    """Return the key, or what is wrong with the file without quoting any of it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "there is no such file"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except ValueError:
        return "is not JSON"
    if not isinstance(content, dict):
        return "expected an object with name and privateKey"
    name, secret = content.get("name") or content.get("id"), content.get("privateKey")
    if not isinstance(name, str) or not isinstance(secret, str) or not name or not secret:
        return "lacks name or privateKey"
    return ApiKey(name, secret)


def _hear_date(heard: HeardTime, response: Any) -> None:
    """Take the time out of an answer; ``Date`` has whole seconds, so it is late by up to one."""
    try:
        then = parsedate_to_datetime(response.headers["Date"])
    except (KeyError, TypeError, ValueError):
        return
    heard.hear(then if then.tzinfo is not None else then.replace(tzinfo=dt.UTC))


def _is_off(ours: float, theirs: float) -> bool:
    """Whether a token dated by the machine could begin in the exchange's future, or be too old."""
    return int(ours) > int(theirs) or theirs - ours >= _BEHIND_SECONDS


def keep_token_time(client: RESTClient, key: ApiKey) -> HeardTime:
    """Let the tokens of an SDK client be dated by what its answers say of the time; return it."""
    heard, signer = HeardTime(), client.set_headers

    def hear(response: Any, **_: object) -> None:
        _hear_date(heard, response)

    def set_headers(method: str, path: str) -> dict[str, str]:
        headers: dict[str, str] = signer(method, path)
        if heard.is_known and "Authorization" in headers:
            theirs = heard.now().timestamp()
            if _is_off(time.time(), theirs):
                uri = f"{method} {client.base_url}{path}"
                headers["Authorization"] = f"Bearer {key.token(uri, begins=int(theirs))}"
        return headers

    client.session.hooks["response"].append(hear)
    client.set_headers = set_headers
    return heard
