"""Files of web servers: read by ranges, and refused in words where that cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.sandbox import Sandbox

ROWS = 3_000
USERS = b"user_id,plan\n" + b"".join(b"u%d,%0200d\n" % (one, one) for one in range(ROWS))


class Site:
    """A server whose answers a test chooses."""

    def __init__(self) -> None:
        self.data = USERS
        self.status = 200
        self.takes_ranges = True
        self.authorization: set[str | None] = set()
        self.port = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.authorization.add(request.headers.get("Authorization"))
        if self.status != 200:
            return web.Response(status=self.status)
        headers = {"ETag": f'"{hash(self.data)}"'}
        if self.takes_ranges and "Range" in request.headers:
            part = self.data[request.http_range]
            start = request.http_range.start or 0
            end = start + len(part) - 1
            headers["Content-Range"] = f"bytes {start}-{end}/{len(self.data)}"
            return web.Response(status=206, body=part, headers=headers)
        return web.Response(body=self.data, headers=headers)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made, app = Site(), web.Application()
    app.router.add_get("/users.csv", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    server = web.TCPSite(runner, "127.0.0.1", 0)
    await server.start()
    made.port = server._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    yield made
    await runner.cleanup()


async def test_a_file_of_a_web_server_arrives_and_its_password_stays(
    sandbox: Sandbox, client: AppcuesClient, site: Site
) -> None:
    url = f"http://me:s3cret@127.0.0.1:{site.port}/users.csv?token=s3cret"
    report = await client.bulk.import_profiles(url)
    assert report.accepted == len(sandbox.profiles) == ROWS
    assert {one.source for one in report.outcomes} == {f"http://127.0.0.1:{site.port}/users.csv"}
    assert site.authorization == {"Basic bWU6czNjcmV0"}


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "there is no http://127.0.0.1:{port}/users.csv"),
        (403, "http://127.0.0.1:{port}/users.csv cannot be read: its store refuses"),
        (
            503,
            "http://127.0.0.1:{port}/users.csv cannot be read: ClientResponseError (503), 5 times",
        ),
    ],
)
async def test_what_a_web_server_refuses_is_said(
    client: AppcuesClient, site: Site, status: int, words: str
) -> None:
    site.status = status
    with pytest.raises(InvalidInput) as caught:
        await client.bulk.import_profiles(f"http://me:s3cret@127.0.0.1:{site.port}/users.csv")
    assert str(caught.value).startswith(words.format(port=site.port))
    assert "s3cret" not in str(caught.value)


async def test_a_web_server_that_is_not_there_is_no_missing_file(client: AppcuesClient) -> None:
    with pytest.raises(
        InvalidInput, match=r"cannot be read: ClientConnectorError, 5 times in a row"
    ):
        await client.bulk.import_profiles("http://127.0.0.1:9/users.csv")


async def test_a_web_server_that_takes_no_ranges_is_refused(
    sandbox: Sandbox, client: AppcuesClient, site: Site
) -> None:
    site.takes_ranges = False
    with pytest.raises(InvalidInput, match="its server takes no ranges; download it"):
        await client.bulk.import_profiles(f"http://127.0.0.1:{site.port}/users.csv")
    assert not sandbox.profiles


async def test_a_file_of_a_web_server_that_changes_is_refused(
    sandbox: Sandbox, client: AppcuesClient, site: Site
) -> None:
    run = client.bulk.import_profiles(f"http://127.0.0.1:{site.port}/users.csv")
    task = asyncio.create_task(run.result())
    while not site.authorization:  # noqa: ASYNC110 - a server has no such event
        await asyncio.sleep(0)
    site.data = USERS.replace(b",0", b",1")
    with pytest.raises(InvalidInput, match="has changed since the run began"):
        await task
    assert not sandbox.profiles
