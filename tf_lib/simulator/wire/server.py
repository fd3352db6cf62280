"""
The wire: HTTP/1.1 over TLS with keep-alive, one thread per connection.

Every body is read before the answer leaves, also that of a GET (the official SDK sends ``{}``),
and every answer is one write.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tf_lib.simulator.dispatcher import Engine
from tf_lib.simulator.replies import ApiError, Cut, Response, invalid, unauthorized
from tf_lib.simulator.wire.tokens import TokenCheck

LARGEST_BODY = 1 << 20
_IDLE_SECONDS = 120
_LIMIT_HEADERS = "x-ratelimit-limit: 30\r\nx-ratelimit-remaining: 29\r\nx-ratelimit-reset: 1\r\n"


class Server(ThreadingHTTPServer):
    """Listens on loopback; each connection does its TLS handshake in its own thread."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, engine: Engine, tokens: TokenCheck, certificate: Path, port: int) -> None:
        self.engine = engine
        self.tokens = tokens
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate)
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        self.is_ending = threading.Event()
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        """Bind without the name look-up of the standard server."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands, then serve the connection until either side closes it."""
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request.settimeout(_IDLE_SECONDS)
        with suppress(OSError, ValueError):
            wrapped = self._tls.wrap_socket(request, server_side=True)
            with self._open_lock:
                self._open.add(wrapped)
            try:
                super().finish_request(wrapped, client_address)
            finally:
                with self._open_lock:
                    self._open.discard(wrapped)
                with suppress(OSError):
                    wrapped.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave no traceback for a client that went away."""

    def stop(self) -> None:
        """Close the door and every open line; answers that are held back are given up."""
        self.is_ending.set()
        self.shutdown()
        self.server_close()
        with self._open_lock:
            for line in list(self._open):
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def __getattr__(self, name: str) -> Any:
        """Answer every method the same way; `do_<METHOD>` is what the standard server calls."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        try:
            body = self._body()
        except ApiError as error:
            self.close_connection = True
            self._send(error.reply)
            return
        engine = self.server.engine
        if engine.needs_token(self.command, path) and not self.server.tokens.is_valid(
            self.headers.get("Authorization"), self.command, path
        ):
            reply = unauthorized()
            engine.log_refused(self.command, path, query, reply)
        else:
            reply = self._answer(path, query, body)
        self._send(reply)

    def _answer(self, path: str, query: str, body: bytes) -> Response:
        try:
            value = json.loads(body) if body.strip() else None
        except (ValueError, RecursionError):
            return invalid("the request body is not JSON").reply
        try:
            return self.server.engine.respond(self.command, path, query, value)
        except Exception as error:  # a bug here must not look like the client's
            message = f"the simulated exchange failed: {type(error).__name__}: {error}"
            return ApiError(500, "INTERNAL", message).reply

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding"):
            raise ApiError(411, "INVALID_ARGUMENT", "a request needs its Content-Length")
        length = self.headers.get("Content-Length") or "0"
        if not (length.isascii() and length.isdigit()):
            raise invalid("Content-Length is not a number")
        if int(length) > LARGEST_BODY:
            self._discard(min(int(length), 16 * LARGEST_BODY))
            raise ApiError(413, "INVALID_ARGUMENT", "the request body is too large")
        return self.rfile.read(int(length))

    def _discard(self, length: int) -> None:
        """Read a body that is not wanted, so that its sender gets to read the answer."""
        while length > 0:
            piece = self.rfile.read(min(length, 65_536))
            length -= len(piece) or length

    def _send(self, reply: Response) -> None:
        if reply.wait_seconds > 0:
            self.server.is_ending.wait(reply.wait_seconds)
        if reply.cut in (Cut.CLOSE, Cut.RESET):
            self._hang_up(reset=reply.cut is Cut.RESET)
            return
        text = reply.text if reply.text is not None else json.dumps(reply.payload)
        body = text.encode("utf-8")
        head = self._head(reply, len(body))
        if reply.cut is Cut.TRUNCATE:
            self.wfile.write(head + body[: len(body) // 2])
            self._hang_up(reset=True)
            return
        self.wfile.write(head if self.command == "HEAD" else head + body)

    def _head(self, reply: Response, length: int) -> bytes:
        reason, engine = self.responses.get(reply.status, ("",))[0], self.server.engine
        closing = "connection: close\r\n" if self.close_connection else ""
        return (
            f"HTTP/1.1 {reply.status} {reason}\r\n"
            f"content-type: {reply.content_type}\r\n"
            f"content-length: {length}\r\n"
            f"date: {self.date_time_string(engine.date_seconds())}\r\n{engine.time_headers()}"
            f"{_LIMIT_HEADERS}{closing}\r\n"
        ).encode("latin-1")

    def _hang_up(self, *, reset: bool) -> None:
        self.close_connection = True
        with suppress(OSError):
            if reset:
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            else:
                self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing; requests are in the exchange's own log."""
