"""The client of Customer.io."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from appcues_async.clock import Clock
from appcues_async.customerio.credentials import CustomerIOCredentials
from appcues_async.customerio.segments import Segments
from appcues_async.notices import Listener
from appcues_async.settings import Pace, Proxy, Region, RetryPolicy, Timeouts, as_secret
from appcues_async.wire.stack import (
    Openable,
    Opened,
    Shared,
    ThrottleChoice,
    check_options,
    open_wire,
)

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["CustomerIOClient"]

PACE: Final = Pace(rate=100)
"""Fair use of the Track API, in Customer.io's words."""


class CustomerIOClient(Openable[Opened]):
    """A client of one Customer.io site.

    Use it in `async with`, or between `open()` and `aclose()`; calls in flight then have 5 seconds to
    end. One client serves any number of tasks of its event loop.

    Attributes:
        segments: Manual segments, and who is in them.
    """

    segments: Segments

    def __init__(
        self,
        site_id: str,
        api_key: str,
        region: Region = "us",
        base_url: str | None = None,
        *,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
        throttle: ThrottleChoice = Shared.ACCOUNT,
        session: ClientSession | None = None,
        proxy: str | None = None,
        on_notice: Listener | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Checks and keeps everything; opens nothing yet.

        Args:
            site_id: The site's id, as in Customer.io's settings, API credentials.
            api_key: Its Track API key.
            region: Where the site lives, `us` or `eu`.
            base_url: Another server, such as a sandbox's `http://127.0.0.1:8080`; wins over `region`.
            timeouts: How long things may take, in seconds.
            retry: How often and when a failed request is sent again.
            throttle: Left out, all clients of the site on this loop share one, of 100 requests a
                second; a `Pace` or any `Throttle` is used instead; None lifts every limit.
            session: An aiohttp session of yours to send everything with. It is never closed, and
                decides about proxies and certificates.
            proxy: A proxy that everything goes through, such as `http://user:password@host:3128`;
                `env` for the one that HTTPS_PROXY and NO_PROXY name. Without it there is none.
            on_notice: Called with everything that happens, on the loop (see `notices`).
            clock: What to measure and sleep by, for tests.

        Raises:
            InvalidInput: A value is malformed.
        """
        # First of all, for the sake of those who write down the variables of a frame that fails.
        api_key, proxy = as_secret(api_key), as_secret(proxy)
        check_options(
            timeouts=timeouts,
            retry=retry,
            throttle=throttle,
            session=session,
            proxy=proxy,
            on_notice=on_notice,
        )
        self._credentials = CustomerIOCredentials.of(
            site_id, api_key, region=region, base_url=base_url
        )
        self._timeouts = timeouts or Timeouts()
        self._retry = retry or RetryPolicy()
        self._throttle = throttle
        self._borrowed = session
        self._proxy = None if proxy is None else Proxy.of(proxy, self._credentials.origin)
        self._listener = on_notice
        self._clock = clock

    @classmethod
    def from_env(cls, **options: Any) -> Self:
        """Makes a client of environment variables.

        CUSTOMERIO_SITE_ID, CUSTOMERIO_API_KEY, CUSTOMERIO_REGION (us or eu) and CUSTOMERIO_BASE_URL,
        of which the last wins over the region.

        Args:
            options: As for `CustomerIOClient`, save what names the site.

        Raises:
            InvalidInput: A variable is missing or malformed.
        """
        found = CustomerIOCredentials.from_env()
        return cls(found.site_id, found.api_key, base_url=found.origin, **options)

    def _open_wire(self) -> Opened:
        opened = open_wire(
            self._credentials.address,
            throttle=self._throttle,
            pace=PACE,
            timeouts=self._timeouts,
            retry=self._retry,
            session=self._borrowed,
            proxy=self._proxy,
            listener=self._listener,
            clock=self._clock,
        )
        self.segments = Segments(opened.sender)
        return opened

    def __repr__(self) -> str:
        site: CustomerIOCredentials | None = getattr(self, "_credentials", None)
        if site is None:
            # Trackers of errors show the frame of an __init__ that has failed.
            return "<CustomerIOClient without credentials>"
        state = "open" if self._is_open else "not open"
        return f"<CustomerIOClient site {site.site_id} at {site.origin}, {state}>"
