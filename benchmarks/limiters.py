"""What do limiters that people run let through, of a client that nobody told their limits?

Starts nginx (`limit_req`, 60 requests a second) and haproxy (60 in a sliding second; 5% of refusals at
random) from where Debian puts them, in front of a sandbox, and sends 1,200 reads from 60 tasks through
each: with this client, and with the baseline, a sender that leaves 20 ms between requests, learns
nothing and repeats what is refused. A last row uploads 72 chunks of events through nginx.

Printed are, as medians over the seeds with the smallest and the largest: calls that failed, what came
through as a share of 60 a second, the share of requests that was refused, and ours to the baseline.

Run: python benchmarks/limiters.py [--seeds 5] [ROW ...]   (a program that is not installed is left out)
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import aiohttp
from attrs import define, frozen

from appcues_async import AppcuesClient, AppcuesError, Pace, Timeouts
from appcues_async.notices import Notice, ReplyReceived
from appcues_async.sandbox import Sandbox
from appcues_async.wire.throttle import LocalThrottle

LIMIT: Final = 60
CALLS: Final = 1200
TASKS: Final = 60
CHUNKS: Final = 72
REFUSALS: Final = (429, 503)

_NGINX: Final = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  limit_req_zone $server_port zone=all:1m rate={limit}r/s;
  limit_req_status {status};
  upstream sandbox {{ server 127.0.0.1:{sandbox}; keepalive 32; }}
  proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host $http_host;
  server {{
    listen 127.0.0.1:{port};
    limit_req zone=all{burst};
    location / {{ proxy_pass http://sandbox; }}
  }}
}}
"""
_HAPROXY: Final = """
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend all
  bind 127.0.0.1:{port}
  stick-table type ip size 1k expire 10s store http_req_rate(1s)
  http-request track-sc0 src
  http-request deny deny_status 429 if {{ {refuse} }}
  default_backend sandbox
backend sandbox
  server sandbox 127.0.0.1:{sandbox}
"""


@frozen
class Limiter:
    """A server of the system's, and how it refuses."""

    program: str
    status: int = 429
    burst: str = ""
    refuse: str = ""
    sandbox_limit: float | None = None

    @property
    def path(self) -> str | None:
        return shutil.which(self.program, path="/usr/sbin:/usr/local/sbin:/usr/bin")

    @contextmanager
    def running(self, sandbox: Sandbox) -> Iterator[str]:
        """Runs it in front of the sandbox; yields its address."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        behind = sandbox.url.rsplit(":", 1)[1]
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder, "config")
            if self.program == "nginx":
                text = _NGINX.format(
                    folder=folder,
                    limit=LIMIT,
                    status=self.status,
                    burst=self.burst,
                    sandbox=behind,
                    port=port,
                )
                options = ["-c", str(config), "-e", f"{folder}/error.log"]
            else:
                text = _HAPROXY.format(port=port, refuse=self.refuse, sandbox=behind)
                options = ["-f", str(config)]
            config.write_text(text)
            with subprocess.Popen(
                [self.path or self.program, *options],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as process:
                try:
                    _wait_for(port)
                    yield f"http://127.0.0.1:{port}"
                finally:
                    process.terminate()


LIMITERS: Final = {
    "nginx, 429": Limiter("nginx"),
    "nginx, 503": Limiter("nginx", status=503),
    "nginx, burst of 20, 429": Limiter("nginx", burst=" burst=20 nodelay"),
    "nginx, burst of 20, 503": Limiter("nginx", status=503, burst=" burst=20 nodelay"),
    "haproxy, sliding second": Limiter("haproxy", refuse=f"sc_http_req_rate(0) gt {LIMIT}"),
    "haproxy, 5% at random": Limiter("haproxy", refuse="rand(100) lt 5", sandbox_limit=LIMIT),
}
UPLOADS: Final = "nginx, 503, 72 chunks"


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


@define
class Result:
    failed: int = 0
    answered: int = 0
    refused: int = 0
    seconds: float = 0.0

    @property
    def share(self) -> float:
        return (CALLS - self.failed) / self.seconds / LIMIT

    @property
    def share_refused(self) -> float:
        return self.refused / max(1, self.answered)

    def count(self, status: int) -> None:
        self.answered += 1
        self.refused += status in REFUSALS


Call = Callable[[], Awaitable[object]]


@asynccontextmanager
async def ours(sandbox: Sandbox, url: str, result: Result) -> AsyncIterator[Call]:
    def hear(notice: Notice) -> None:
        if isinstance(notice, ReplyReceived):
            result.count(notice.status)

    account = sandbox.credentials | {"base_url": url}
    async with AppcuesClient(**account, throttle=LocalThrottle(Pace()), on_notice=hear) as client:
        yield client.segments.list


@asynccontextmanager
async def evenly_spaced(sandbox: Sandbox, url: str, result: Result) -> AsyncIterator[Call]:
    key, secret = sandbox.credentials["api_key"], sandbox.credentials["api_secret"]
    headers = {"Authorization": aiohttp.encode_basic_auth(key, secret)}
    target = f"{url}/v2/accounts/{sandbox.credentials['account_id']}/segments"
    lock = asyncio.Lock()
    async with aiohttp.ClientSession(headers=headers) as session:

        async def call() -> None:
            for number in range(5):
                async with lock:
                    await asyncio.sleep(1 / 50)
                async with session.get(target) as response:
                    await response.read()
                result.count(response.status)
                if response.status == 200:
                    return
                await asyncio.sleep(random.random() * 0.5 * 2**number)
            raise AppcuesError("refused five times")

        yield call


Way = Callable[[Sandbox, str, Result], AbstractAsyncContextManager[Call]]


async def reads(limiter: Limiter, way: Way) -> Result:
    """Sends the calls, from so many tasks."""
    result = Result()
    with Sandbox(rate_limit=limiter.sandbox_limit) as sandbox, limiter.running(sandbox) as url:
        async with way(sandbox, url, result) as call:
            numbers = iter(range(CALLS))

            async def work() -> None:
                for _ in numbers:
                    try:
                        await call()
                    except AppcuesError:
                        result.failed += 1

            began = time.monotonic()
            async with asyncio.TaskGroup() as group:
                for _ in range(TASKS):
                    group.create_task(work())
            result.seconds = time.monotonic() - began
    return result


async def uploads(limiter: Limiter) -> Result:
    """Uploads so many chunks of events, which must not be sent twice."""
    result = Result()
    rows = [
        {"user_id": f"u{n}", "name": f"e{n}", "timestamp": "2026-11-20T00:00:00Z"}
        for n in range(CHUNKS * 13)
    ]

    def hear(notice: Notice) -> None:
        if isinstance(notice, ReplyReceived):
            result.count(notice.status)

    with Sandbox(rate_limit=None) as sandbox, limiter.running(sandbox) as url:
        account = sandbox.credentials | {"base_url": url}
        async with AppcuesClient(
            **account, throttle=LocalThrottle(Pace()), on_notice=hear, timeouts=Timeouts(settle=15)
        ) as client:
            began = time.monotonic()
            report = await client.bulk.import_events(
                rows, chunk_bytes=1000, wait=False, on_failure="report"
            )
            result.seconds = time.monotonic() - began
        result.failed = len(rows) - len({event["name"] for event in sandbox.events})
        assert len(sandbox.events) <= len(rows), "an event was sent twice"
        assert report is not None
    return result


def spread(values: list[float], form: str) -> str:
    return form.format(statistics.median(values), min(values), max(values))


def told(name: str, results: list[Result]) -> str:
    failed = spread([one.failed for one in results], "failed {:.0f} ({:.0f} to {:.0f})")
    refused = spread([one.share_refused for one in results], "refused {:.2%} ({:.2%} to {:.2%})")
    if name == UPLOADS:
        seconds = spread([one.seconds for one in results], "{:.1f} s ({:.1f} to {:.1f})")
        return f"{seconds}  {refused}  rows {failed}"
    share = spread([one.share for one in results], "{:.1%} of 60/s ({:.1%} to {:.1%})")
    return f"{share}  {refused}  {failed}"


def run(name: str, seeds: int) -> None:
    """Runs a row and prints it."""
    limiter = LIMITERS["nginx, 503"] if name == UPLOADS else LIMITERS[name]
    if limiter.path is None:
        print(f"\n{name}: {limiter.program} is not installed")
        return
    mine, theirs = [], []
    for seed in range(seeds):
        random.seed(seed)
        if name == UPLOADS:
            mine.append(asyncio.run(uploads(limiter)))
        else:
            mine.append(asyncio.run(reads(limiter, ours)))
            theirs.append(asyncio.run(reads(limiter, evenly_spaced)))
    print(f"\n{name} ({seeds} seeds)")
    print(f"  appcues_async   {told(name, mine)}", flush=True)
    if theirs:
        print(f"  50 a second     {told(name, theirs)}")
        ratio = statistics.median(a.share / b.share for a, b in zip(mine, theirs, strict=True))
        print(f"  ratio           {ratio:.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("rows", nargs="*", metavar="ROW")
    given = parser.parse_args()
    for name in given.rows or [*LIMITERS, UPLOADS]:
        run(name, given.seeds)


if __name__ == "__main__":
    main()
