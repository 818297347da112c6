"""A sandbox in another process, under the names of the object."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from attrs import define

from appcues_async.sandbox.credentials import ClientArguments, CustomerIOArguments
from appcues_async.sandbox.encoding import decode_json, encode_json
from appcues_async.sandbox.fault_forms import fault_to_json
from appcues_async.sandbox.faults import Fault, Faults
from appcues_async.sandbox.jobs import Job
from appcues_async.sandbox.request_log import LoggedRequest
from appcues_async.sandbox.sent import Sent
from appcues_async.sandbox.state import Segment

__all__ = ["RemoteFaults", "RemoteInstruction", "SandboxConnection"]

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_TIMEOUT: Final = 30.0


class SandboxConnection:
    """A sandbox in another process; each attribute and call is a request to its control plane.

    Calls block, for a few milliseconds as a rule; the sandbox must not be on the loop that calls.
    What is returned is a copy: to put data in, use `seed`.

    Args:
        url: Where the sandbox listens.
        token: Its token.

    Raises:
        ValueError: `url` is not an http address on loopback.
        RuntimeError: Nothing answers there, or the token is wrong.
    """

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname not in _LOOPBACK or parts.port is None:
            raise ValueError(f"url is {url!r}; it must be like http://127.0.0.1:8080")
        self._host: str = parts.hostname
        self._port: int = parts.port
        self._token = token
        #: What is to go wrong.
        self.faults: RemoteFaults = RemoteFaults(self)
        self.call("GET", "info")

    def __repr__(self) -> str:
        return f"<SandboxConnection to {self.url}>"

    @property
    def url(self) -> str:
        """Where the sandbox listens."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def credentials(self) -> ClientArguments:
        """The arguments of a client: account_id, api_key, api_secret and base_url."""
        found: ClientArguments = self.call("GET", "info")["credentials"]
        return found

    @property
    def legacy_api_key(self) -> str:
        """The account's Legacy API key."""
        return str(self.call("GET", "info")["legacy_api_key"])

    @property
    def customerio_credentials(self) -> CustomerIOArguments:
        """The arguments of a Customer.io client: site_id, api_key and base_url."""
        found: CustomerIOArguments = self.call("GET", "info")["customerio_credentials"]
        return found

    @property
    def profiles(self) -> dict[str, dict[str, Any]]:
        """Attributes by user id."""
        return msgspec.convert(self._state("profiles"), dict[str, dict[str, Any]])

    @property
    def events(self) -> list[dict[str, Any]]:
        """Events in the order they took effect: user_id, name, timestamp and attributes."""
        return msgspec.convert(self._state("events"), list[dict[str, Any]])

    @property
    def segments(self) -> dict[str, Segment]:
        """Segments by id."""
        return msgspec.convert(self._state("segments"), dict[str, Segment])

    @property
    def jobs(self) -> dict[str, Job]:
        """Jobs by id, oldest first."""
        return msgspec.convert(self._state("jobs"), dict[str, Job])

    @property
    def requests(self) -> list[LoggedRequest]:
        """Every request, in the order they came, without credentials and bodies."""
        return msgspec.convert(self.call("GET", "requests"), list[LoggedRequest])

    @property
    def sent(self) -> Sent:
        """The effects of requests beyond what `seed` put in."""
        return Sent.beyond(Sent(), **self.call("GET", "sent"))

    @property
    def rate_limit(self) -> float | None:
        """Requests per second for the account, from now on; None for no limit."""
        rate: float | None = self.call("GET", "info")["rate_limit"]
        return rate

    @rate_limit.setter
    def rate_limit(self, rate: float | None) -> None:
        self.call("POST", "rate_limit", {"rate_limit": rate})

    def time(self) -> float:
        """Seconds of the sandbox's clock."""
        return float(self.call("GET", "info")["time"])

    def advance(self, seconds: float) -> None:
        """Moves the sandbox's clock forward."""
        self.call("POST", "clock", {"advance": seconds})

    def seed(
        self,
        *,
        profiles: Mapping[str, Mapping[str, Any]] | None = None,
        events: Iterable[Mapping[str, Any]] | None = None,
        segments: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        """Puts data in, as `Sandbox.seed` does."""
        content = {
            "profiles": profiles or {},
            "events": list(events or ()),
            "segments": {name: list(ids) for name, ids in (segments or {}).items()},
        }
        self.call("POST", "seed", content)

    def fail_next_job(self, detail: str = "Something went wrong", *, rows_applied: int = 0) -> None:
        """Makes the next job end as FAILED, as `Sandbox.fail_next_job` does."""
        content = {"detail": detail, "rows_applied": rows_applied}
        self.call("POST", "fail_next_job", content)

    def reset(self) -> None:
        """Goes back to the beginning: no data, no faults, no requests, a full rate limit."""
        self.call("POST", "reset")

    def call(self, method: str, noun: str, content: object = None) -> Any:
        """Sends a request to the control plane.

        Raises:
            ValueError: The sandbox refuses what was asked; the message is its own.
            RuntimeError: Nothing answers, or the token is wrong.
        """
        body = None if content is None else encode_json(content)
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT)
        try:
            headers = {"Authorization": f"Bearer {self._token}"}
            connection.request(method, f"/_sandbox/{noun}", body, headers)
            reply = connection.getresponse()
            status, answer = reply.status, reply.read()
        except (OSError, http.client.HTTPException) as error:
            raise RuntimeError(f"No sandbox answers at {self.url}: {error}") from None
        finally:
            connection.close()
        if status == 200:
            return decode_json(answer)
        if status == 401:
            raise RuntimeError(f"The sandbox at {self.url} has another token")
        try:
            detail = decode_json(answer)["detail"]
        except (msgspec.MsgspecError, KeyError, TypeError):
            raise RuntimeError(f"What answers at {self.url} with {status} is no sandbox") from None
        raise ValueError(detail)

    def _state(self, noun: str) -> Any:
        return self.call("GET", "state")[noun]


@define(eq=False)
class RemoteInstruction:
    """A fault that was added to a sandbox in another process."""

    _connection: SandboxConnection
    number: int

    @property
    def hits(self) -> int:
        """How many requests it has happened to; 0 once the faults were cleared."""
        found = self._connection.call("GET", "faults")
        return next((int(one["hits"]) for one in found if one["number"] == self.number), 0)


class RemoteFaults:
    """The faults of a sandbox in another process."""

    def __init__(self, connection: SandboxConnection) -> None:
        self._connection = connection

    def add(
        self,
        fault: Fault,
        *,
        method: str | None = None,
        path: str | None = None,
        skip: int = 0,
        times: int | None = 1,
        probability: float = 1.0,
    ) -> RemoteInstruction:
        """Adds a fault, as `Faults.add` does.

        A `Stall` without `seconds` lasts until `clear`: its hold cannot be released from here.

        Raises:
            TypeError: `fault` is none.
            ValueError: A value is out of range, or `path` is not a regular expression.
        """
        try:
            # Checked here first, so that mistakes look as they do with the object.
            Faults().add(
                fault, method=method, path=path, skip=skip, times=times, probability=probability
            )
        except re.error as error:
            raise ValueError(str(error)) from None
        match = {
            "method": method,
            "path": path,
            "skip": skip,
            "times": times,
            "probability": probability,
        }
        content = {**fault_to_json(fault), **match}
        answer = self._connection.call("POST", "faults", content)
        return RemoteInstruction(self._connection, answer["number"])

    def clear(self) -> None:
        """Ends all faults, and releases what they hold."""
        self._connection.call("DELETE", "faults")
