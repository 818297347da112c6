"""Erasure: its own key, and no other."""

from __future__ import annotations

import base64
import traceback
from collections.abc import Iterable

import pytest

from appcues_async import AppcuesClient, InvalidInput, Unauthorized
from appcues_async.api import gdpr
from appcues_async.sandbox import Answer, Reset, Sandbox
from tests.api.conftest import answer, sent

KEY = "legacy-key"


async def test_users_are_erased_with_the_legacy_key_and_a_blank_password(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    answer(sandbox, {"ok": True, "message": "accepted 3 users for deletion"})
    said = await client.gdpr.delete(["1", "02", "3"], legacy_api_key=KEY)
    assert said == "accepted 3 users for deletion"
    (request,) = sandbox.requests
    assert (request.method, request.path) == ("POST", "/v1/gdpr/delete")
    assert sent(sandbox) == {"users": ["1", "02", "3"]}
    scheme, _, token = request.headers["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(token)) == ("Basic", b"legacy-key:")


@pytest.mark.parametrize("body", ["", "accepted", '{"ok": true}'])
async def test_any_2xx_is_a_success_whatever_it_says(
    sandbox: Sandbox, client: AppcuesClient, body: str
) -> None:
    sandbox.faults.add(Answer(200, body=body))
    assert await client.gdpr.delete(["1"], legacy_api_key=KEY) == body
    assert len(sandbox.requests) == 1


async def test_erasing_is_repeated_when_its_answer_is_lost(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Reset())
    answer(sandbox, {"message": "accepted"})
    await client.gdpr.delete(["1"], legacy_api_key=KEY)
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize("key", ["", "two words", "key:secret", "line\n", None, 7])
async def test_a_malformed_key_is_refused_without_showing_it(
    sandbox: Sandbox, client: AppcuesClient, key: str
) -> None:
    with pytest.raises(InvalidInput, match="legacy_api_key is") as caught:
        await client.gdpr.delete(["1"], legacy_api_key=key)
    assert not key or str(key) not in str(caught.value)
    assert not sandbox.requests


async def test_the_key_is_in_no_error(sandbox: Sandbox, client: AppcuesClient) -> None:
    sandbox.faults.add(Answer(401))
    with pytest.raises(Unauthorized) as caught:
        await client.gdpr.delete(["1"], legacy_api_key=KEY)
    text = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert base64.b64encode(b"legacy-key:").decode() not in text


@pytest.mark.parametrize("user_ids", [[], "007", [7.0], [""], [None]])
async def test_ids_that_are_none_are_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, user_ids: Iterable[str]
) -> None:
    with pytest.raises(InvalidInput, match="user_ids"):
        await client.gdpr.delete(user_ids, legacy_api_key=KEY)
    assert not sandbox.requests


async def test_a_request_of_8_mb_is_refused_and_one_below_is_sent(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    envelope = len('{"users":[""]}')
    with pytest.raises(InvalidInput, match="8,000,000 bytes; it must stay below 8,000,000: send"):
        await client.gdpr.delete(["x" * (gdpr.LIMIT - envelope)], legacy_api_key=KEY)
    assert not sandbox.requests
    answer(sandbox, {})
    await client.gdpr.delete(["x" * (gdpr.LIMIT - envelope - 1)], legacy_api_key=KEY)
    assert sandbox.requests[0].body_bytes == gdpr.LIMIT - 1
