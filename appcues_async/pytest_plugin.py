"""Fixtures for tests of programs that use this package: a sandbox, a client of it, an environment.

pytest finds them by itself (`-p no:appcues_async` turns them off)::

    @pytest.mark.appcues(job_seconds=30)
    async def test_signup_is_tracked(appcues_sandbox, appcues_client):
        await sign_up(appcues_client, "007")
        assert appcues_sandbox.sent.events == [
            {"user_id": "007", "name": "Signed up", "attributes": {"plan": "pro"}}
        ]

They work in plain tests, with pytest-asyncio in every mode and loop scope, with anyio on asyncio, and
with xdist. Nothing but pytest is imported before a fixture is used.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import pytest

if TYPE_CHECKING:
    from aioresponses import aioresponses

    from appcues_async.client import AppcuesClient
    from appcues_async.sandbox import Sandbox

__all__ = ["appcues_aioresponses", "appcues_client", "appcues_env", "appcues_sandbox"]

_SENT: Final = "appcues_async.sandbox.sent"
_number = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    config.addinivalue_line(
        "markers",
        "appcues(rate_limit=None, job_seconds=0.0, ...): arguments of the Sandbox of appcues_sandbox",
    )


@pytest.fixture
def appcues_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox in a thread, new for each test, without a rate limit; its jobs end at once.

    The marker `appcues` gives it other arguments. Its clock is moved with `advance`.
    """
    from appcues_async.sandbox import Sandbox  # noqa: PLC0415 - a server takes its time to import

    # Each has an account of its own: what a process knows of one is not handed on to the next test.
    options = {
        "rate_limit": None,
        "account_id": f"test-{next(_number)}",
        **_marked(request, Sandbox),
    }
    with Sandbox(**options) as sandbox:
        yield sandbox


@pytest.fixture
def appcues_client(appcues_sandbox: Sandbox) -> Iterator[AppcuesClient]:
    """A client of `appcues_sandbox` that retries and polls within milliseconds.

    It is open in whatever event loop uses it, and is closed before that loop is. Where the marker sets a
    rate limit, which holds in real time, it retries for some seconds.
    """
    client, close = _make_client(appcues_sandbox)
    try:
        yield client
    finally:
        close()


@pytest.fixture
def appcues_env(appcues_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """Sets the environment variables that `from_env` reads to `appcues_sandbox`; returns them."""
    site = appcues_sandbox.customerio_credentials
    variables = {
        **appcues_sandbox.environment,
        "APPCUES_LEGACY_API_KEY": appcues_sandbox.legacy_api_key,
        **{f"CUSTOMERIO_{name.upper()}": str(value) for name, value in site.items()},
    }
    for name in ("APPCUES_ENV", "APPCUES_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def appcues_aioresponses(monkeypatch: pytest.MonkeyPatch) -> Iterator[aioresponses]:
    """An `aioresponses()` that works with aiohttp 3.14, which aioresponses 0.7.9 by itself does not.

    The sandbox shows more: aioresponses replaces the session, so that no byte is sent.
    """
    from unittest.mock import Mock  # noqa: PLC0415

    import aiohttp  # noqa: PLC0415
    import aioresponses  # noqa: PLC0415

    class Reply(aiohttp.ClientResponse):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            if "stream_writer" in inspect.signature(aiohttp.ClientResponse.__init__).parameters:
                kwargs.setdefault("stream_writer", Mock(output_size=0))
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(aioresponses.core, "ClientResponse", Reply)
    with aioresponses.aioresponses() as mocked:
        yield mocked


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Says what is missing and what is unexpected where what was sent is compared."""
    if op != "==" or not (_is_sent(left) or _is_sent(right)):
        return None
    sent, expected = (left, right) if _is_sent(left) else (right, left)
    if isinstance(sent, list) and isinstance(expected, list):
        return ["what was sent is not what was expected", *_compare_events(sent, expected)]
    if isinstance(sent, dict) and isinstance(expected, dict):
        return ["what was sent is not what was expected", *_compare_by_key(sent, expected)]
    return None


def _is_sent(value: object) -> TypeGuard[list[Any] | dict[str, Any]]:
    # By its name, so that the sandbox is not imported for comparisons of other things.
    return type(value).__module__ == _SENT and isinstance(value, list | dict)


def _compare_events(sent: list[Any], expected: list[Any]) -> Iterator[str]:
    ours, theirs = Counter(map(repr, sent)), Counter(map(repr, expected))
    yield from (f"  not sent:   {one}" for one in (theirs - ours).elements())
    yield from (f"  unexpected: {one}" for one in (ours - theirs).elements())
    if ours == theirs:
        yield f"  the order differs: sent were {sent!r}"


def _compare_by_key(sent: dict[str, Any], expected: dict[str, Any]) -> Iterator[str]:
    for key in sorted({*sent, *expected}, key=str):
        if key not in sent:
            yield f"  not sent:   {key!r}: {expected[key]!r}"
        elif key not in expected:
            yield f"  unexpected: {key!r}: {sent[key]!r}"
        elif sent[key] != expected[key]:
            yield f"  differs:    {key!r}: sent {sent[key]!r}, expected {expected[key]!r}"


def _marked(request: pytest.FixtureRequest, sandbox: type[Sandbox]) -> dict[str, Any]:
    """Returns the arguments that the markers of a test give; the closest one counts."""
    options: dict[str, Any] = {}
    known = inspect.signature(sandbox).parameters
    for marker in reversed([*request.node.iter_markers("appcues")]):
        unknown = [name for name in marker.kwargs if name not in known]
        if marker.args or unknown:
            wrong = ", ".join(unknown) or f"{marker.args[0]!r}, without a name"
            pytest.fail(
                f"the marker appcues has no argument {wrong}; it takes {', '.join(known)}",
                pytrace=False,
            )
        options.update(marker.kwargs)
    return options


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _Later:
    """A resource of a client that no loop runs yet, as in `asyncio.run(client.flows.list())`."""

    def __init__(self, client: AppcuesClient, name: str) -> None:
        self._client = client
        self._name = name

    def __getattr__(self, method: str) -> Any:
        async def call(*args: Any, **options: Any) -> Any:
            done = getattr(getattr(self._client, self._name), method)(*args, **options)
            return await done if inspect.isawaitable(done) else done

        return call


def _make_client(sandbox: Sandbox) -> tuple[AppcuesClient, Any]:
    """Makes a client that opens itself in the loop that uses it, and what closes it in the end."""
    from appcues_async import AppcuesClient, PollPolicy, RetryPolicy, Timeouts  # noqa: PLC0415

    resources = inspect.get_annotations(AppcuesClient)
    keepers: list[tuple[asyncio.AbstractEventLoop, AsyncGenerator[None, None]]] = []

    async def keep_open(client: AppcuesClient) -> AsyncGenerator[None, None]:
        await AppcuesClient.open(client)
        try:
            yield
        finally:
            await client.aclose()

    class FixtureClient(AppcuesClient):
        # While it is opened, what opens it reads what it has.
        _opening: bool = False

        def __getattribute__(self, name: str) -> Any:
            if name[0] != "_" and name not in {"open", "aclose"}:
                self._open_here()
                if name in resources and not _in_a_loop():
                    return _Later(self, name)
            return super().__getattribute__(name)

        async def open(self) -> Any:
            self._open_here()
            return self

        async def request(self, *args: Any, **options: Any) -> Any:
            # Its coroutine may have been made before the loop that runs it.
            self._open_here()
            return await super().request(*args, **options)

        def _open_here(self) -> None:
            if not _in_a_loop() or self._opening or self._derived or self._is_open:
                return
            # A loop before this one has ended, and has closed what was open in it.
            self._opened = None
            keeper = keep_open(self)
            keepers.append((asyncio.get_running_loop(), keeper))
            # A loop closes the generators that have begun in it before it is closed itself.
            self._opening = True
            try:
                keeper.asend(None).send(None)
            except StopIteration:
                return
            finally:
                self._opening = False
            raise RuntimeError("the client cannot be opened without waiting")

    def close() -> None:
        for loop, keeper in keepers:
            if not loop.is_closed() and not loop.is_running():
                loop.run_until_complete(keeper.aclose())

    if sandbox.rate_limit is None:
        # There is nothing to pace for.
        options: dict[str, Any] = {"throttle": None}
        options["retry"] = RetryPolicy(base=0.001, cap=0.05, outage=0)
    else:
        options = {"retry": RetryPolicy(attempts=10, base=0.05, cap=1, outage=0)}
    client = FixtureClient(
        **sandbox.credentials,
        polling=PollPolicy(first=0, low=0.005, high=0.05, grace=0.5),
        timeouts=Timeouts(settle=0.1),
        **options,
    )
    return client, close
