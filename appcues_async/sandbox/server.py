"""The sandbox: opened, inspected, steered and closed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, Self

from appcues_async.sandbox.clock import SandboxClock
from appcues_async.sandbox.connection import SandboxConnection
from appcues_async.sandbox.content import Checklist, Experience, Flow, Group, Tag
from appcues_async.sandbox.control import Control
from appcues_async.sandbox.credentials import (
    ClientArguments,
    Credentials,
    CustomerIOArguments,
)
from appcues_async.sandbox.faults import Faults
from appcues_async.sandbox.http_server import HttpServer
from appcues_async.sandbox.jobs import Job, JobBook, JobKind, JobPlan
from appcues_async.sandbox.rate import TokenBucket
from appcues_async.sandbox.request_log import LoggedRequest, RequestLog
from appcues_async.sandbox.sent import Sent, seed_state
from appcues_async.sandbox.service import Service
from appcues_async.sandbox.state import Segment, State
from appcues_async.sandbox.thread import ServingThread

__all__ = ["Sandbox"]

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class Sandbox:
    """The Appcues API, offline: one account, real HTTP on a loopback address.

    Beside it are the endpoints of Customer.io for manual segments, with credentials and a rate
    limit of their own.

    `async with Sandbox() as sandbox:` serves on the running loop; `with Sandbox() as sandbox:`
    serves on a loop of its own in a thread. Either way it can be read and steered from any
    thread. It can be opened again after it was closed, and keeps its data.

    Args:
        rate_limit: Requests per second for the account, and the most that can be saved up; None
            for no limit.
        retry_after: The Retry-After header of a 429: seconds, or any text; None for no such
            header.
        job_seconds: How long jobs take, in seconds of the sandbox's clock; a number, or a function
            of the kind of job. `math.inf` is for jobs that never end.
        job_names: What jobs are called, by kind, where that is to differ from `JOB_NAMES`.
        job_clock: How many seconds the clock that stamps jobs is ahead of the server's `Date`.
        list_lag: How many seconds after its start a job shows in the list of jobs; asked for by
            its id, it shows at once.
        keep_rows: Whether imported rows and the bodies of requests are kept. A row takes about ten
            times its bytes, so that for files of over 100 MB or so False is wise: rows are checked
            and counted (`jobs` says how many), but `profiles`, `events` and `segments` stay empty,
            and memory does not grow with what is uploaded.
        export_links: Whether the job of an event export ends with a link to its file, as
            `signed_s3_url` in its last event.
        account_id: The account's id.
        api_key: The account's API key.
        api_secret: The account's API secret.
        legacy_api_key: The account's Legacy API key, which erases users.
        customerio_site_id: The id of the Customer.io site.
        customerio_api_key: Its API key.
        customerio_rate_limit: Requests per second to Customer.io, like `rate_limit`.
        host: A loopback address.
        port: The port; 0 takes a free one.
        clock: What to read monotonic seconds from.
        seed: Where the chance of faults that have a probability starts from.
        token: What the control plane asks for; left out, a random one is made.

    Raises:
        ValueError: `host` is not a loopback address, or a rate limit is below 1.
    """

    def __init__(
        self,
        *,
        rate_limit: float | None = 60,
        retry_after: float | str | None = None,
        job_seconds: float | Callable[[JobKind], float] = 0.0,
        job_names: Mapping[JobKind, str] | None = None,
        job_clock: float = 0.0,
        list_lag: float = 0.0,
        keep_rows: bool = True,
        export_links: bool = False,
        account_id: str = "sandbox-account",
        api_key: str = "sandbox-key",
        api_secret: str = "sandbox-secret",  # noqa: S107 - it opens nothing but the sandbox
        legacy_api_key: str = "sandbox-legacy-key",
        customerio_site_id: str = "sandbox-site",
        customerio_api_key: str = "sandbox-site-key",
        customerio_rate_limit: float | None = 100,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
        seed: int = 0,
        token: str | None = None,
    ) -> None:
        if host not in _LOOPBACK:
            raise ValueError(f"The sandbox listens on a loopback address only, not on {host!r}")
        self._host = host
        self._port = port
        self._credentials = Credentials(
            account_id,
            api_key,
            api_secret,
            legacy_api_key,
            customerio_site_id,
            customerio_api_key,
        )
        self._clock = SandboxClock(clock)
        self._bucket = TokenBucket(rate_limit, self._clock.time)
        self._customerio_bucket = TokenBucket(customerio_rate_limit, self._clock.time)
        self._jobs = JobBook(self._clock, job_seconds, job_names or {}, list_lag, job_clock)
        self._state = State(self._clock, self._jobs, keep_rows=keep_rows, export_links=export_links)
        self._log = RequestLog()
        self._service = Service(
            self._credentials,
            self._bucket,
            self._customerio_bucket,
            None if retry_after is None else str(retry_after),
        )
        self._token = secrets.token_urlsafe(16) if token is None else token
        if not self._token.isascii() or not self._token.isprintable() or " " in self._token:
            raise ValueError("token must be printable ASCII without spaces")
        self._url: str | None = None
        self._seeded = Sent()
        self._server: HttpServer | None = None
        self._workers: ThreadPoolExecutor | None = None
        self._thread: ServingThread | None = None
        #: What is to go wrong.
        self.faults: Faults = Faults(seed)

    @staticmethod
    def connect(url: str, token: str) -> SandboxConnection:
        """Connects to a sandbox in another process.

        Args:
            url: Where it listens, as it printed at its start.
            token: Its token, likewise.

        Returns:
            An object with the same names: `profiles`, `events`, `jobs`, `faults`, `advance` and so on.

        Raises:
            ValueError: `url` is not an address on loopback.
            RuntimeError: Nothing answers there, or the token is wrong.
        """
        return SandboxConnection(url, token)

    @property
    def url(self) -> str:
        """Where it listens, such as `http://127.0.0.1:40123`."""
        if self._url is None:
            raise RuntimeError("The sandbox is not open: use `with` or `async with`")
        return self._url

    @property
    def token(self) -> str:
        """The token that the control plane and the inspector ask for."""
        return self._token

    @property
    def inspector_url(self) -> str:
        """The address of the page that shows it live; the token is in the fragment."""
        return f"{self.url}/#token={self._token}"

    @property
    def credentials(self) -> ClientArguments:
        """The arguments of a client: account_id, api_key, api_secret and base_url."""
        return {
            "account_id": self._credentials.account_id,
            "api_key": self._credentials.api_key,
            "api_secret": self._credentials.api_secret,
            "base_url": self.url,
        }

    @property
    def legacy_api_key(self) -> str:
        """The account's Legacy API key."""
        return self._credentials.legacy_api_key

    @property
    def customerio_credentials(self) -> CustomerIOArguments:
        """The arguments of a Customer.io client: site_id, api_key and base_url."""
        return {
            "site_id": self._credentials.site_id,
            "api_key": self._credentials.site_key,
            "base_url": self.url,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The account's credentials as environment variables."""
        return {f"APPCUES_{name.upper()}": str(value) for name, value in self.credentials.items()}

    @property
    def profiles(self) -> dict[str, dict[str, Any]]:
        """Attributes by user id. This is the sandbox's own dict, so it can be filled, too."""
        self._jobs.settle()
        return self._state.profiles

    @property
    def events(self) -> list[dict[str, Any]]:
        """Events in the order they took effect: user_id, name, timestamp and attributes."""
        self._jobs.settle()
        return self._state.events

    @property
    def segments(self) -> dict[str, Segment]:
        """Segments by id."""
        self._jobs.settle()
        return self._state.segments

    @property
    def sent(self) -> Sent:
        """The effects of requests beyond what `seed` put in, as plain values that compare well."""
        self._jobs.settle()
        return Sent.since(self._seeded, self._state)

    @property
    def flows(self) -> dict[str, Flow]:
        """Flows by id; there are `flow1`, which is published, and `flow2`, which is not."""
        return self._state.flows

    @property
    def experiences(self) -> dict[str, dict[str, Experience]]:
        """Experiences by type and id; of pins, there are `pin1`, which is published, and `pin2`."""
        return self._state.experiences

    @property
    def checklists(self) -> dict[str, Checklist]:
        """Checklists by id; there are `checklist1`, which is published, and `checklist2`."""
        return self._state.checklists

    @property
    def tags(self) -> dict[str, Tag]:
        """Tags by id; there are `tag1` and `tag2`."""
        return self._state.tags

    @property
    def groups(self) -> dict[str, Group]:
        """Groups by id."""
        return self._state.groups

    @property
    def customerio_segments(self) -> dict[int, set[str]]:
        """Members of each manual segment of Customer.io; there is 1, and more can be put in."""
        return self._state.customerio_segments

    @property
    def jobs(self) -> dict[str, Job]:
        """Jobs by id, oldest first. One that is taken out is unknown from then on."""
        self._jobs.settle()
        return self._jobs.all

    @property
    def requests(self) -> list[LoggedRequest]:
        """Every request in order of arrival, those that were refused or never answered included."""
        return self._log.entries

    @property
    def rate_limit(self) -> float | None:
        """Requests per second for the account, from now on; None for no limit."""
        return self._bucket.rate

    @rate_limit.setter
    def rate_limit(self, rate: float | None) -> None:
        self._bucket.rate = rate

    @property
    def job_clock(self) -> float:
        """How many seconds the clock that stamps jobs is ahead of `Date`, from now on."""
        return self._jobs.ahead

    @job_clock.setter
    def job_clock(self, seconds: float) -> None:
        self._jobs.ahead = seconds

    def time(self) -> float:
        """Seconds of the sandbox's clock, which jobs, the rate limit and the log go by."""
        return self._clock.time()

    def advance(self, seconds: float) -> None:
        """Moves the sandbox's clock forward, so that jobs end and the rate limit recovers."""
        self._clock.advance(seconds)

    def plan_next_job(self, plan: JobPlan) -> None:
        """Sets how the next job ends; several plans are used in order."""
        self._jobs.plan(plan)

    def fail_next_job(self, detail: str = "Something went wrong", *, rows_applied: int = 0) -> None:
        """Makes the next job end as FAILED.

        Args:
            detail: What its last event says.
            rows_applied: How many of its rows take effect nevertheless.
        """
        self._jobs.plan(JobPlan(status="FAILED", detail=detail, rows_applied=rows_applied))

    def seed(
        self,
        *,
        profiles: Mapping[str, Mapping[str, Any]] | None = None,
        events: Iterable[Mapping[str, Any]] | None = None,
        segments: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        """Puts data in that was there before; `sent` does not show it.

        Args:
            profiles: Attributes by user id.
            events: Events with `user_id` and `name`, and `timestamp` and `attributes` if need be.
            segments: Lists of user ids by the id of the segment, such as `{"pros": ["007"]}`; a segment
                that is new is named like its id.

        Raises:
            ValueError: A value is malformed.
        """
        self._jobs.settle()
        seed_state(self._state, profiles or {}, events or (), segments or {})
        self._seeded = Sent.since(Sent(), self._state)

    def reset(self) -> None:
        """Goes back to the beginning: no data, no faults, no requests, a full rate limit."""
        self.faults.clear()
        self._state.clear()
        self._seeded = Sent()
        self._log.clear()
        self._bucket.refill()
        self._customerio_bucket.refill()

    async def __aenter__(self) -> Self:
        if self._server is not None or self._thread is not None:
            raise RuntimeError("The sandbox is open already")
        self._workers = ThreadPoolExecutor(4, thread_name_prefix="sandbox")
        self._server = HttpServer(
            state=self._state,
            service=self._service,
            faults=self.faults,
            log=self._log,
            control=Control(
                self,
                token=self._token,
                state=self._state,
                log=self._log,
                faults=self.faults,
                bucket=self._bucket,
            ),
            workers=self._workers,
        )
        try:
            port = await self._server.open(self._host, self._port)
        except BaseException:
            await self._close()
            raise
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._close()

    def __enter__(self) -> Self:
        if self._server is not None or self._thread is not None:
            raise RuntimeError("The sandbox is open already")
        thread = ServingThread(self)
        thread.open()
        self._thread = thread
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._thread is not None:
            self._thread.close()
            self._thread = None

    async def _close(self) -> None:
        self._url = None
        if self._server is not None:
            await self._server.close()
            self._server = None
        if self._workers is not None:
            self._workers.shutdown(wait=False, cancel_futures=True)
            self._workers = None
