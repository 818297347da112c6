"""Erasure of users."""

from __future__ import annotations

import io
from typing import Any

import aiohttp
import pytest

from tests.sandbox.caller import Caller, Got


@pytest.fixture
def erase(api: Caller) -> Caller:
    """Somebody who calls with the Legacy API key."""
    api.authorization = aiohttp.encode_basic_auth(api.sandbox.legacy_api_key, "")
    api.account = f"{api.sandbox.url}/v1"
    return api


async def delete(erase: Caller, users: Any) -> Got:
    return await erase.send_json("POST", "gdpr/delete", {"users": users})


def fill(erase: Caller) -> None:
    for user_id in "abc":
        erase.sandbox.profiles[user_id] = {}
        event = {"user_id": user_id, "name": "x", "timestamp": "2026-07-14T12:00:00Z"}
        erase.sandbox.events.append({**event, "attributes": {}})


async def test_profiles_and_events_are_erased(erase: Caller) -> None:
    fill(erase)
    got = await delete(erase, ["a", "b", "nobody"])
    assert got.json == {"ok": True, "message": "accepted 3 users for deletion"}
    assert list(erase.sandbox.profiles) == ["c"]
    assert [event["user_id"] for event in erase.sandbox.events] == ["c"]


async def test_a_file_of_one_column_is_taken(erase: Caller) -> None:
    fill(erase)
    got = await erase.file("gdpr/delete", b"a\nb\n", name="users.csv")
    assert got.json["message"] == "accepted 2 users for deletion"
    assert list(erase.sandbox.profiles) == ["c"]


async def test_a_file_has_no_header(erase: Caller) -> None:
    got = await erase.file("gdpr/delete", b"user_id\na\n", name="users.csv")
    assert got.json["message"] == "accepted 2 users for deletion"


@pytest.mark.parametrize("content", [b"a,b\n", b"", b'"a"\n'])
async def test_a_file_of_anything_else_gets_400(erase: Caller, content: bytes) -> None:
    fill(erase)
    name = "users.ndjson" if content.startswith(b'"') else "users.csv"
    assert (await erase.file("gdpr/delete", content, name=name)).status == 400
    assert len(erase.sandbox.profiles) == 3


@pytest.mark.parametrize("users", [None, [], "a", [7], [""]])
async def test_what_is_no_list_of_ids_gets_400_in_the_form_of_version_1(
    erase: Caller, users: Any
) -> None:
    got = await delete(erase, users)
    assert (got.status, got.json["status_code"]) == (400, 400)


@pytest.mark.parametrize("kind", ["text/csv", "application/ndjson"])
async def test_another_content_type_gets_415(erase: Caller, kind: str) -> None:
    assert (await erase("POST", "gdpr/delete", b"a\n", kind=kind)).status == 415


@pytest.mark.parametrize(("size", "status"), [(7_999_999, 200), (8_000_000, 413)])
async def test_a_request_is_smaller_than_8_megabytes(erase: Caller, size: int, status: int) -> None:
    body = io.BytesIO(b'{"users": ["a"]}'.ljust(size))
    assert (await erase("POST", "gdpr/delete", body, kind="application/json")).status == status


@pytest.mark.parametrize(
    "authorization",
    [
        aiohttp.encode_basic_auth("sandbox-key", "sandbox-secret"),
        aiohttp.encode_basic_auth("sandbox-legacy-key", "x"),
        "Bearer sandbox-legacy-key",
        "",
    ],
)
async def test_any_other_key_gets_401(erase: Caller, authorization: str) -> None:
    erase.authorization = authorization
    assert (await delete(erase, ["a"])).status == 401


async def test_the_legacy_key_opens_nothing_else(erase: Caller) -> None:
    account = f"{erase.sandbox.url}/v2/accounts/sandbox-account"
    assert (await erase.get(f"{account}/flows")).status == 401


async def test_it_counts_against_the_rate_limit_of_the_account(erase: Caller) -> None:
    erase.sandbox.rate_limit = 1
    statuses = [(await delete(erase, ["a"])).status for _ in range(3)]
    assert statuses[-1] == 429
