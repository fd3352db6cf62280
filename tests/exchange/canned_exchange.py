"""
A real HTTPS server on loopback that answers what it was told to, and remembers what was asked.

For answers that a well-behaved exchange does not give: cut JSON, looping cursors, resets. The
real client and the official SDK speak to it over real TLS.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trustme

from tf_lib.exchange.coinbase.client import Coinbase

PREFIX = "/api/v3/brokerage"


@dataclass(frozen=True)
class Canned:
    """One answer; `fault` may be reset (before answering), cut (mid-body) or hang.

    A body that is callable is asked with the query.
    """

    body: Any = field(default_factory=dict)
    status: int = 200
    content_type: str = "application/json"
    fault: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def raw(self, query: dict[str, list[str]]) -> bytes:
        """Return the body's bytes."""
        body = self.body(query) if callable(self.body) else self.body
        return body.encode() if isinstance(body, str) else json.dumps(body).encode()


@dataclass(frozen=True)
class Seen:
    """One request that arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: dict[str, Any]
    token: str


class CannedExchange:
    """Answers by method and path; the last answer of a path repeats."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self.seen: list[Seen] = []
        self.let_go = threading.Event()
        self._answers: dict[tuple[str, str], list[Canned]] = defaultdict(list)
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def base_url(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def answer(self, method: str, path: str, *answers: Canned | dict[str, Any]) -> None:
        """Set what comes for a path, in order."""
        made = [a if isinstance(a, Canned) else Canned(a) for a in answers]
        self._answers[(method, PREFIX + path)] = made

    def take(self, method: str, path: str) -> Canned:
        """Return the next answer of a path."""
        waiting = self._answers.get((method, path))
        if not waiting:
            return Canned({"error": "NOT_FOUND", "message": f"no answer for {path}"}, 404)
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def asked(self, path: str) -> list[Seen]:
        """Return the requests of one path."""
        return [one for one in self.seen if one.path == PREFIX + path]

    def close(self) -> None:
        """Stop and wait."""
        self.let_go.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass(frozen=True)
class Edge:
    """A canned exchange and a client of it."""

    canned: CannedExchange
    client: Coinbase

    def get(self, path: str, *answers: Canned | dict[str, Any]) -> None:
        self.canned.answer("GET", path, *answers)

    def post(self, path: str, *answers: Canned | dict[str, Any]) -> None:
        self.canned.answer("POST", path, *answers)

    @property
    def seen(self) -> list[Seen]:
        return self.canned.seen

    def asked(self, path: str) -> list[Seen]:
        return self.canned.asked(path)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet: clients that hang up are what is tested."""


def _handler(exchange: CannedExchange) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None:
            """Stay quiet."""

        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            token = self.headers.get("Authorization", "")
            body = json.loads(raw or b"{}")
            query = parse_qs(parts.query)
            exchange.seen.append(Seen(self.command, parts.path, query, body, token))
            self._give(exchange.take(self.command, parts.path), query)

        do_GET = do_POST = _serve  # noqa: N815

        def _give(self, answer: Canned, query: dict[str, list[str]]) -> None:
            if answer.fault == "reset":
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
                self.close_connection = True
                return
            if answer.fault == "hang":
                exchange.let_go.wait(5)
                self.close_connection = True
                return
            raw = answer.raw(query)
            if any(name == "Date" for name, _ in answer.headers):
                self.send_response_only(answer.status)
            else:
                self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            if answer.fault == "cut":
                self.wfile.write(raw[: len(raw) // 2])
                self.close_connection = True
                return
            self.wfile.write(raw)

    return Handler
