"""An S3 on loopback: moto's server, behind a proxy that counts requests and fails as it is told."""

from __future__ import annotations

import http.client
import logging
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, TypeAlias
from urllib.request import Request, urlopen

import s3fs
from attrs import Factory, define
from moto.server import ThreadedMotoServer

__all__ = ["Bucket", "Fault", "open_bucket"]

Fault: TypeAlias = Literal["slow down", "reset", "cut"]
NAME = "exports"
_SLOW_DOWN = (
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


@define
class Bucket:
    """The bucket `exports`, and what its proxy does.

    Attributes:
        options: The storage options that open it through the proxy.
        store: The bucket itself, past the proxy.
        faults: What becomes of the next ranges that are asked for, one after the other.
        requests: The method and path of each request that came through.
    """

    options: dict[str, Any]
    store: s3fs.S3FileSystem
    faults: list[Fault] = Factory(list)
    requests: list[tuple[str, str]] = Factory(list)

    def put(self, name: str, data: bytes) -> None:
        """Puts an object into the bucket."""
        self.store.pipe(f"{NAME}/{name}", data)


@contextmanager
def open_bucket() -> Iterator[Bucket]:
    """Opens an empty bucket."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    # All servers of a process share what they hold.
    urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
    store = s3fs.S3FileSystem(**_options(port), skip_instance_cache=True)
    store.mkdir(NAME)
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), _Proxy)
    bucket = Bucket(_options(proxy.server_port), store)
    proxy.behind, proxy.bucket = (host, port), bucket  # type: ignore[attr-defined]
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield bucket
    finally:
        proxy.shutdown()
        proxy.server_close()
        moto.stop()


def _options(port: int) -> dict[str, Any]:
    return {"key": "key", "secret": "hush", "endpoint_url": f"http://127.0.0.1:{port}"}


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _pass_on(self) -> None:
        bucket: Bucket = self.server.bucket  # type: ignore[attr-defined]
        bucket.requests.append((self.command, self.path))
        is_range = self.command == "GET" and "Range" in self.headers
        fault = bucket.faults.pop(0) if bucket.faults and is_range else None
        if fault == "slow down":
            self._answer(503, {"Content-Type": "application/xml"}, _SLOW_DOWN)
            return
        behind = http.client.HTTPConnection(*self.server.behind)  # type: ignore[attr-defined]
        try:
            behind.request(self.command, self.path, headers=dict(self.headers))
            reply = behind.getresponse()
            body = reply.read()
        finally:
            behind.close()
        drop = {"connection", "content-length", "date", "server", "transfer-encoding"}
        headers = {name: one for name, one in reply.getheaders() if name.lower() not in drop}
        if self.command == "HEAD":
            headers["Content-Length"] = reply.headers["Content-Length"] or "0"
        self._answer(reply.status, headers, body, fault)

    do_GET = do_HEAD = _pass_on  # noqa: N815 - what the standard library calls

    def _answer(
        self, status: int, headers: dict[str, str], body: bytes, fault: Fault | None = None
    ) -> None:
        self.send_response(status)
        if "Content-Length" not in headers:
            headers["Content-Length"] = str(len(body))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body if fault is None else body[: len(body) // 2])
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if fault is not None:
            self.wfile.flush()
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Says nothing."""
