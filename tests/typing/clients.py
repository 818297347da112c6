"""How a client is made, and what it holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_type

from aiohttp import ClientSession
from multidict import CIMultiDictProxy

from appcues_async import (
    AppcuesClient,
    Pace,
    PollPolicy,
    Reply,
    RetryPolicy,
    Throttle,
    Timeouts,
)
from appcues_async.api.imports import Imports
from appcues_async.api.jobs import Jobs
from appcues_async.api.segments import Segments
from appcues_async.notices import Notice


def ways_in(
    session: ClientSession, throttle: Throttle, listener: Callable[[Notice], None]
) -> list[AppcuesClient]:
    class Mine(AppcuesClient):
        pass

    mine = Mine.from_env()
    assert_type(mine, Mine)
    return [
        AppcuesClient("1", "key", "secret"),
        AppcuesClient(account_id="1", api_key="key", api_secret="secret", region="eu"),
        AppcuesClient(
            "1",
            "key",
            "secret",
            region="us",
            base_url="http://127.0.0.1:8080",
            timeouts=Timeouts(connect=10, idle=60.0, budget=60, wait=86_400),
            retry=RetryPolicy(attempts=5, base=0.5, cap=20, max_retry_after=60, outage=600),
            polling=PollPolicy(first=0.5, low=1, high=15, grace=5),
            throttle=Pace(rate=50),
            on_unknown="reconcile",
            session=session,
            on_notice=listener,
        ),
        AppcuesClient("1", "key", "secret", base_url=None, throttle=None, session=None),
        AppcuesClient("1", "key", "secret", throttle=throttle, on_unknown="raise"),
        AppcuesClient.from_env(throttle=None),
        AppcuesClient.from_profile("eu"),
        AppcuesClient.from_profile("eu", path=Path("config.toml"), on_unknown="resend"),
        mine,
    ]


async def a_client(client: AppcuesClient) -> None:
    async with client as opened:
        assert_type(opened, AppcuesClient)
    assert_type(
        client.with_options(
            retry=RetryPolicy(), timeouts=Timeouts(), polling=PollPolicy(), on_unknown="raise"
        ),
        AppcuesClient,
    )
    assert_type(client.imports, Imports)
    assert_type(client.segments, Segments)
    assert_type(client.jobs, Jobs)


async def any_request(client: AppcuesClient) -> None:
    reply = await client.request(
        "GET", "sdk_keys", json={"a": [1]}, query={"limit": "1"}, accept="application/json"
    )
    assert_type(reply, Reply)
    assert_type(reply.status, int)
    assert_type(reply.headers, CIMultiDictProxy[str])
    assert_type(reply.body, bytes)
    assert_type(reply.text(), str)
    assert_type(reply.json(), Any)
