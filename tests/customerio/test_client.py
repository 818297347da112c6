"""The client of Customer.io: made, opened, and paced."""

from __future__ import annotations

import asyncio
import base64
import pickle
from typing import Any

import aiohttp
import pytest

from appcues_async import InvalidInput, Pace
from appcues_async.customerio import CustomerIOClient
from appcues_async.customerio.credentials import CustomerIOCredentials
from appcues_async.notices import Notice, ReplyReceived
from appcues_async.sandbox import Sandbox, Stall
from tests.customerio.conftest import numbers
from tests.virtual_clock import VirtualClock

NAMES = ("SITE_ID", "API_KEY", "REGION", "BASE_URL")


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any of ours."""
    for name in NAMES:
        monkeypatch.delenv(f"CUSTOMERIO_{name}", raising=False)
    return monkeypatch


def origin(**options: Any) -> str:
    return CustomerIOCredentials.of("site", "key", **options).origin


def test_the_region_chooses_the_server() -> None:
    assert origin() == "https://track.customer.io"
    assert origin(region="eu") == "https://track-eu.customer.io"


def test_a_base_url_wins_over_the_region() -> None:
    assert origin(region="eu", base_url="https://proxy.example/") == "https://proxy.example"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"region": "mars"}, "region is 'mars'"),
        ({"base_url": "http://track.customer.io"}, "unencrypted"),
        ({"site_id": ""}, "site_id is empty"),
        ({"site_id": 7}, "site_id is an int"),
        ({"site_id": "site:key"}, "site_id holds ':'"),
        ({"api_key": ""}, "api_key is empty"),
        ({"api_key": "key\n"}, "a line break"),
        ({"api_key": None}, "api_key is a NoneType"),
    ],
)
def test_what_cannot_be_is_refused_at_once(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        CustomerIOClient(**{"site_id": "site", "api_key": "key", **arguments})


@pytest.mark.parametrize("key", ["hush hush", "hush\n", "hush\x00"])
def test_no_message_shows_the_key(key: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        CustomerIOClient("site", key)
    assert "hush" not in str(caught.value)


def test_nothing_shows_the_key() -> None:
    credentials = CustomerIOCredentials.of("site", "hush")
    assert "hush" not in repr(credentials)
    assert "hush" not in repr(CustomerIOClient("site", "hush"))
    assert base64.b64encode(b"site:hush").decode() not in repr(credentials.address)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(credentials)


async def test_it_is_made_of_the_environment(
    sandbox: Sandbox, variables: pytest.MonkeyPatch
) -> None:
    for name, value in sandbox.customerio_credentials.items():
        variables.setenv(f"CUSTOMERIO_{name.upper()}", str(value))
    async with CustomerIOClient.from_env(throttle=None) as cio:
        await cio.segments.add_customers(1, ["a"])
    assert sandbox.customerio_segments[1] == {"a"}


@pytest.mark.parametrize(
    ("region", "server"),
    [("", "track.customer.io"), ("us", "track.customer.io"), ("EU", "track-eu.customer.io")],
)
def test_the_environment_names_the_region(
    variables: pytest.MonkeyPatch, region: str, server: str
) -> None:
    variables.setenv("CUSTOMERIO_SITE_ID", "site")
    variables.setenv("CUSTOMERIO_API_KEY", "key")
    variables.setenv("CUSTOMERIO_REGION", region)
    assert (
        repr(CustomerIOClient.from_env())
        == f"<CustomerIOClient site site at https://{server}, not open>"
    )


def test_a_variable_that_is_missing_is_named(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("CUSTOMERIO_SITE_ID", "site")
    with pytest.raises(InvalidInput, match="no CUSTOMERIO_API_KEY; set it"):
        CustomerIOClient.from_env()


def test_a_plain_with_says_what_to_use() -> None:
    with pytest.raises(TypeError, match="async with"), CustomerIOClient("site", "key"):
        pass


async def test_it_is_open_once_at_a_time(cio: CustomerIOClient) -> None:
    with pytest.raises(RuntimeError, match="open already"):
        await cio.__aenter__()


async def test_a_borrowed_session_is_used_and_left_open(sandbox: Sandbox) -> None:
    async with aiohttp.ClientSession(headers={"X-Mine": "1"}) as session:
        async with CustomerIOClient(**sandbox.customerio_credentials, session=session) as cio:
            await cio.segments.add_customers(1, ["a"])
        assert not session.closed
    assert sandbox.requests[-1].headers["X-Mine"] == "1"


async def test_leaving_lets_requests_in_flight_end(sandbox: Sandbox) -> None:
    stall = Stall("headers")
    sandbox.faults.add(stall)
    async with CustomerIOClient(**sandbox.customerio_credentials, throttle=None) as cio:
        adding = asyncio.create_task(cio.segments.add_customers(1, ["a"]))
        await stall.hold.reached()
        asyncio.get_running_loop().call_later(0.01, stall.hold.release)
    assert (await adding).failed == ()


async def test_a_listener_hears_of_every_reply(sandbox: Sandbox) -> None:
    heard: list[Notice] = []
    credentials = sandbox.customerio_credentials
    async with CustomerIOClient(**credentials, on_notice=heard.append, throttle=None) as cio:
        await cio.segments.add_customers(1, ["a"])
    (reply,) = heard
    assert isinstance(reply, ReplyReceived)
    assert reply.route == "/api/v1/segments/{segment_id}/add_customers"


async def test_clients_of_a_site_share_a_throttle_of_a_hundred_a_second(sandbox: Sandbox) -> None:
    credentials = sandbox.customerio_credentials
    async with CustomerIOClient(**credentials) as one, CustomerIOClient(**credentials) as other:
        mine, its = one.segments._sender.throttle, other.segments._sender.throttle
        assert mine is its
        assert mine._pace.rate == 100  # type: ignore[union-attr]


async def test_calls_keep_to_the_pace(sandbox: Sandbox) -> None:
    clock = VirtualClock()
    async with CustomerIOClient(
        **sandbox.customerio_credentials, throttle=Pace(rate=10), clock=clock
    ) as cio:
        began = clock.seconds
        adding = asyncio.create_task(cio.segments.add_customers(1, numbers(30_000)))
        while not adding.done():
            await asyncio.sleep(0.001)
            await clock.advance(0.05)
        assert (await adding).requests == 30
    assert clock.seconds - began > 2
