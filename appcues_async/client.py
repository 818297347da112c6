"""The client: opens what lies below, and hands out the resources."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack
from weakref import WeakSet

from appcues_async.api.activity import Activity
from appcues_async.api.analytics import Analytics
from appcues_async.api.exports import Exports
from appcues_async.api.gdpr import Gdpr
from appcues_async.api.groups import Groups
from appcues_async.api.imports import Imports
from appcues_async.api.jobs import Jobs
from appcues_async.api.publishing import Collection, Experiences, Publishable
from appcues_async.api.raw import raw_request
from appcues_async.api.screenshots import Screenshots
from appcues_async.api.segments import Segments
from appcues_async.api.users import Users
from appcues_async.bulk.resource import Bulk
from appcues_async.bulk.run import BulkRun
from appcues_async.bulk.spec import Account
from appcues_async.clock import Clock
from appcues_async.models import Checklist, Flow, Tag
from appcues_async.notices import Listener
from appcues_async.outbox.outbox import Outbox, OutboxOptions, Wiring
from appcues_async.recovery.starting import Starter
from appcues_async.recovery.tracking import JobTracking
from appcues_async.settings import (
    Credentials,
    OnUnknown,
    Pace,
    PollPolicy,
    Proxy,
    Region,
    RetryPolicy,
    Timeouts,
    as_secret,
    check_on_unknown,
)
from appcues_async.sync.earlier import EarlierUploads
from appcues_async.sync.resource import Sync
from appcues_async.wire.reply import Reply
from appcues_async.wire.request import JSON, Repeat
from appcues_async.wire.sender import Sender
from appcues_async.wire.stack import Openable, Opened, Shared, check_options, open_wire
from appcues_async.wire.transport import Address
from appcues_async.wire.turn import Throttle

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["AppcuesClient"]


class AppcuesClient(Openable["_Opened"]):
    """A client of one Appcues account.

    Use it in `async with`, or between `open()` and `aclose()`; calls in flight then have 5 seconds to
    end. One client serves any number of tasks of its event loop.

    Attributes:
        flows: The account's flows, to list, publish and unpublish.
        experiences: Pins, mobile, launchpads, banners, flows-v2, embeds and nps, likewise.
        checklists: Its checklists, likewise.
        segments: Its segments, and who is in them.
        tags: Its tags.
        users: End users one at a time: profiles and events.
        groups: Groups of them, one at a time.
        activity: A user's events and profile in one request, version 1.
        bulk: Any number of rows, in as many uploads as they need.
        sync: Profiles or members of a segment, of which only what changed is sent.
        imports: One upload of profiles or events.
        exports: Events in bulk, as a file.
        analytics: Questions to the account's analytics.
        screenshots: Pictures of flows and experiences.
        gdpr: Erasure of users.
        jobs: The account's offline jobs.
    """

    activity: Activity
    analytics: Analytics
    bulk: Bulk
    sync: Sync
    checklists: Publishable[Checklist]
    experiences: Experiences
    exports: Exports
    flows: Publishable[Flow]
    gdpr: Gdpr
    groups: Groups
    imports: Imports
    jobs: Jobs
    screenshots: Screenshots
    segments: Segments
    tags: Collection[Tag]
    users: Users

    def __init__(
        self,
        account_id: str,
        api_key: str,
        api_secret: str,
        *,
        region: Region = "us",
        base_url: str | None = None,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
        polling: PollPolicy | None = None,
        throttle: Throttle | Pace | Literal[Shared.ACCOUNT] | None = Shared.ACCOUNT,
        on_unknown: OnUnknown = "reconcile",
        session: ClientSession | None = None,
        proxy: str | None = None,
        on_notice: Listener | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Checks and keeps everything; opens nothing yet.

        Args:
            account_id: The account's id, as on the account page of Appcues Studio.
            api_key: An API key, as made in Studio's settings.
            api_secret: Its secret.
            region: Where the account lives, `us` or `eu`; a key works in its own region only.
            base_url: Another server, such as a sandbox's `http://127.0.0.1:8080`; wins over `region`.
            timeouts: How long things may take, in seconds.
            retry: How often and when a failed request is sent again.
            polling: How often a job is looked at.
            throttle: Left out, all clients of the account on this loop share one; a `Pace` or any
                `Throttle` is used instead; None lifts every limit.
            on_unknown: What to do when nothing says whether an unsafe request was applied.
            session: An aiohttp session of yours to send everything with. It is never closed, and
                decides about proxies and certificates; the middlewares that it may have do not see GET
                and DELETE requests. One with credentials of its own (`auth=`, or a `.netrc` through
                `trust_env=True`) is refused when a request is made.
            proxy: A proxy that everything goes through, such as `http://user:password@host:3128`;
                `env` for the one that HTTPS_PROXY and NO_PROXY name. Without it there is none.
            on_notice: Called with everything that happens, on the loop (see `notices`).
            clock: What to measure and sleep by, for tests.

        Raises:
            InvalidInput: A value is malformed.
        """
        # First of all, for the sake of those who write down the variables of a frame that fails.
        api_key, api_secret = as_secret(api_key), as_secret(api_secret)
        proxy = as_secret(proxy)
        check_on_unknown(on_unknown)
        check_options(
            timeouts=timeouts,
            retry=retry,
            polling=polling,
            throttle=throttle,
            session=session,
            proxy=proxy,
            on_notice=on_notice,
        )
        self._credentials = Credentials.of(
            account_id, api_key, api_secret, region=region, base_url=base_url
        )
        self._timeouts = timeouts or Timeouts()
        self._retry = retry or RetryPolicy()
        self._polling = polling or PollPolicy()
        self._throttle = throttle
        self._on_unknown: OnUnknown = on_unknown
        self._borrowed = session
        self._proxy = None if proxy is None else Proxy.of(proxy, self._credentials.origin)
        self._listener = on_notice
        self._clock = clock

    @classmethod
    def from_env(cls, **options: Any) -> Self:
        """Makes a client of the environment variables that the vendor's own command reads.

        APPCUES_ACCOUNT_ID, APPCUES_API_KEY, APPCUES_API_SECRET, APPCUES_ENV (prod or prod-eu),
        APPCUES_BASE_URL. What is not set comes from ~/.config/appcues/config.toml, from the profile
        that APPCUES_PROFILE names or else from `default`.

        Args:
            options: As for `AppcuesClient`, save what names the account.

        Raises:
            InvalidInput: A value is missing or malformed.
        """
        return cls._of(Credentials.from_env(), options)

    @classmethod
    def from_profile(cls, name: str, *, path: Path | None = None, **options: Any) -> Self:
        """Makes a client of one profile of the vendor's own command.

        Args:
            name: The profile's name.
            path: The file, instead of ~/.config/appcues/config.toml.
            options: As for `AppcuesClient`, save what names the account.

        Raises:
            InvalidInput: There is no such profile, or it is incomplete.
        """
        return cls._of(Credentials.from_profile(name, path), options)

    @classmethod
    def _of(cls, credentials: Credentials, options: Mapping[str, Any]) -> Self:
        return cls(
            credentials.account_id,
            credentials.api_key,
            credentials.api_secret,
            base_url=credentials.origin,
            **options,
        )

    def _open_wire(self) -> _Opened:
        wire = open_wire(
            Address.of(self._credentials),
            throttle=self._throttle,
            pace=Pace(),
            timeouts=self._timeouts,
            retry=self._retry,
            session=self._borrowed,
            proxy=self._proxy,
            listener=self._listener,
            clock=self._clock,
            on_unknown=self._on_unknown,
        )
        opened = _Opened(wire, JobTracking.of(wire.sender, self._credentials))
        self._hand_out(opened, wire.sender)
        return opened

    def __repr__(self) -> str:
        account: Credentials | None = getattr(self, "_credentials", None)
        if account is None:
            # Trackers of errors show the frame of an __init__ that has failed.
            return "<AppcuesClient without credentials>"
        state = "open" if self._is_open else "not open"
        return f"<AppcuesClient account {account.account_id} at {account.origin}, {state}>"

    def with_options(
        self,
        *,
        retry: RetryPolicy | None = None,
        timeouts: Timeouts | None = None,
        polling: PollPolicy | None = None,
        on_unknown: OnUnknown | None = None,
    ) -> AppcuesClient:
        """Makes a client with other options on the same connections and throttle.

        It lives as long as this one is open, and is not opened or closed by itself.

        Args:
            retry: How often and when a failed request is sent again.
            timeouts: How long things may take.
            polling: How often a job is looked at.
            on_unknown: What to do when nothing says whether an unsafe request was applied.

        Raises:
            InvalidInput: A value is malformed.
            RuntimeError: This client is not open.
        """
        check_options(timeouts=timeouts, retry=retry, polling=polling)
        opened = self._hold()
        other = AppcuesClient.__new__(type(self))
        vars(other).update(vars(self), _derived=True)
        if retry is not None:
            other._retry = retry
        if timeouts is not None:
            other._timeouts = timeouts
        if polling is not None:
            other._polling = polling
        if on_unknown is not None:
            check_on_unknown(on_unknown)
            other._on_unknown = on_unknown
        sender = opened.sender.with_options(other._retry, other._timeouts, other._on_unknown)
        other._hand_out(opened, sender)
        return other

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        query: Mapping[str, str] | None = None,
        accept: str = JSON,
    ) -> Reply:
        """Sends any request to the account, for what has no method here.

        A POST is not sent again when nothing says whether it was applied; every other method is.

        Args:
            method: The HTTP method.
            path: Below /v2/accounts/{account_id}/, without a first slash; ids in it are quoted already.
            json: What to send, if anything; checked for what JSON cannot hold.
            query: Query parameters.
            accept: The media type asked for, such as `text/csv`.

        Returns:
            The reply, of a 2xx status.

        Raises:
            InvalidInput: The path leads elsewhere, or a value cannot be sent.
            AppcuesError: The request did not succeed.
        """
        request = raw_request(method, path, json=json, query=query, accept=accept)
        self._hold()
        if request.endpoint.repeat is Repeat.SAFE:
            return await self._sender.send(request, lambda reply: reply)
        # It may start a job, which then is no other request's.
        return await self._starter.request(request, path)

    def outbox(
        self, path: str | os.PathLike[str] | None = None, **options: Unpack[OutboxOptions]
    ) -> Outbox:
        """Makes an outbox: events and profile updates that are taken at once, and sent in batches.

        Use it in `async with`, within that of the client.

        Args:
            path: A file (SQLite) that keeps what was put until it is done; any number of processes may
                share it. Without one, rows are in memory.
            options: See `help("appcues_async.outbox.outbox.OutboxOptions")`.

        Raises:
            InvalidInput: An option is malformed.
            TypeError: There is no such option.
        """
        return Outbox(self._wiring, path, options)

    def _wiring(self) -> Wiring:
        opened = self._hold()
        return Wiring(
            starter=self._starter,
            account=self._account,
            on_unknown=self._on_unknown,
            listener=self._sender.listener,
            budget=self._timeouts.budget,
            wait=self._timeouts.wait,
            keep=opened.outboxes.add,
        )

    def _hand_out(self, opened: _Opened, sender: Sender) -> None:
        def starter_of(on_unknown: OnUnknown | None) -> Starter:
            opened.sender.connections.check()
            if on_unknown is None:
                return starter
            other = sender.with_options(self._retry, self._timeouts, on_unknown)
            return opened.tracking.starter(other, self._polling)

        # Of a client with other options it is not the one that was opened.
        self._sender = sender
        self._starter = starter = opened.tracking.starter(sender, self._polling)
        self.jobs = Jobs(sender, starter.handles)
        self.activity = Activity(sender)
        self.analytics = Analytics(sender, starter)
        self.checklists = Publishable(sender, Checklist, "checklists", "checklist_id")
        self.experiences = Experiences(sender)
        self.exports = Exports(sender, starter)
        self.flows = Publishable(sender, Flow, "flows", "flow_id")
        self.gdpr = Gdpr(sender)
        self.groups = Groups(sender)
        self.imports = Imports(starter)
        self.screenshots = Screenshots(sender)
        self.segments = Segments(sender, starter)
        self.tags = Collection(sender, Tag, "tags", "tag_id")
        self.users = Users(sender, starter)
        credentials = self._credentials
        self._account = account = Account(credentials.origin, credentials.account_id, sender.clock)
        self.bulk = Bulk(
            starter_of,
            account,
            on_unknown=self._on_unknown,
            runs=opened.runs,
            listener=sender.listener,
        )
        earlier = EarlierUploads(
            self.jobs, starter.owners, sender.clock, settle=self._timeouts.settle
        )
        self.sync = Sync(self.bulk, account, earlier, self._listener)


class _Opened(Opened):
    """Everything that a client holds while it is open."""

    def __init__(self, wire: Opened, tracking: JobTracking) -> None:
        super().__init__(wire.sender, lambda: None)
        self._wire = wire
        self.tracking = tracking
        self.runs: WeakSet[BulkRun] = WeakSet()
        self.outboxes: WeakSet[Outbox] = WeakSet()

    async def close(self) -> None:
        try:
            for outbox in list(self.outboxes):
                await outbox.aclose()
            for run in [run for run in self.runs if run.is_running]:
                await run.cancel()
        finally:
            try:
                await self.tracking.close()
            finally:
                await self._wire.close()
