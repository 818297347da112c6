"""Requests as the server sees them: bytes, headers, paths, connections."""

from __future__ import annotations

from pathlib import Path

import pytest

from appcues_async import (
    AppcuesClient,
    InvalidInput,
    NotFound,
)
from appcues_async.sandbox import Sandbox
from tests.wire.conftest import EVENT


async def test_credentials_go_out_as_http_basic(sandbox: Sandbox, client: AppcuesClient) -> None:
    await client.segments.list()
    (request,) = sandbox.requests
    assert request.authorized
    assert request.status == 200


async def test_small_calls_share_a_connection(sandbox: Sandbox, client: AppcuesClient) -> None:
    for _ in range(5):
        await client.segments.list()
    assert len({request.connection for request in sandbox.requests}) == 1


async def test_what_must_not_be_sent_twice_gets_a_connection_of_its_own(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    await client.segments.list()
    await client.segments.create("one")
    await client.imports.events([EVENT])
    assert len({request.connection for request in sandbox.requests}) == 3


async def test_rows_go_out_as_ndjson_with_their_types(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    await client.imports.profiles([{"user_id": "007", "age": 7, "pro": True, "plan": None}])
    (request,) = sandbox.requests
    assert request.headers["Content-Type"] == "application/ndjson"
    assert request.body == b'{"user_id":"007","age":7,"pro":true,"plan":null}\n'


async def test_a_small_file_goes_out_as_it_is(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(b"\xef\xbb\xbfuser_id,email\r\n007,a@example.com\r\n")
    await client.imports.profiles(path)
    (request,) = sandbox.requests
    assert request.headers["Content-Type"] == "text/csv"
    assert request.headers["Content-Length"] == str(path.stat().st_size - 3)
    assert request.body == path.read_bytes()[3:], "a byte order mark would spoil the first column"


async def test_a_file_over_20_mb_goes_out_as_a_multipart_upload(
    sandbox: Sandbox, client: AppcuesClient, users_csv: Path
) -> None:
    job = await (await client.imports.profiles(users_csv))
    assert job.ingestions_completed == 310_000
    request = sandbox.requests[0]
    assert request.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert request.headers["Content-Length"] == str(request.body_bytes)


async def test_a_user_id_that_breaks_paths_reaches_the_server_as_that_id(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    for segment_id in ("a/b", "..", ".", "%2F", "é", "?", "#", " ", "x" * 300):
        with pytest.raises(NotFound):
            await client.segments.get(segment_id)
    paths = [request.path.rsplit("/", 1)[1] for request in sandbox.requests]
    assert paths[:8] == ["a%2Fb", "%2E%2E", "%2E", "%252F", "%C3%A9", "%3F", "%23", "%20"]


async def test_a_request_of_ones_own_is_below_the_account(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    reply = await client.request("get", "segments", accept="text/csv")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/csv")
    assert sandbox.requests[0].path == f"/v2/accounts/{sandbox.credentials['account_id']}/segments"


@pytest.mark.parametrize(
    "path", ["", "/segments", "../accounts", "a//b", "a/../b", "https://x.example/", "a?b=1", "a#b"]
)
async def test_a_path_that_leads_elsewhere_is_refused(
    sandbox: Sandbox, client: AppcuesClient, path: str
) -> None:
    with pytest.raises(InvalidInput, match="path is"):
        await client.request("GET", path)
    assert not sandbox.requests
