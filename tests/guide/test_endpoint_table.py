"""The guide's table of endpoints: each row has a method, a command and a route of the sandbox."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any, get_args

import pytest
from attrs import frozen
from httpx import AsyncClient, BasicAuth

import appcues_async.api
from appcues_async import AppcuesClient
from appcues_async.api.publishing import Collection, ExperienceType
from appcues_async.cli.app import app
from appcues_async.customerio import CustomerIOClient
from appcues_async.customerio import segments as customerio_segments
from appcues_async.sandbox import Sandbox
from appcues_async.waiting import lookup
from appcues_async.wire.request import Endpoint, Server
from tests.cli.conftest import commands
from tests.guide.pages import text_of

NO_ROUTE = "No route found for "


@frozen
class Row:
    """One endpoint as the guide has it."""

    method: str
    path: str
    python: str
    command: str

    @property
    def words(self) -> list[str]:
        """The words of the command, without what it is given."""
        return [word for word in self.command.split() if word == word.lower()]


def rows() -> Iterator[Row]:
    for line in text_of("endpoints").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] != "method and path" and "---" not in cells[0]:
            row = re.fullmatch(r"(\w+) `(\S+)` \| `([\w.]+)` \| `([^`]+)`", " | ".join(cells))
            assert row is not None, line
            yield Row(*row.groups())


ROWS = [*rows()]


async def endpoints() -> AsyncIterator[Endpoint]:
    """Every endpoint that a module or a collection of the API declares."""
    names = [one.name for one in pkgutil.iter_modules(appcues_async.api.__path__)]
    modules: list[ModuleType] = [customerio_segments, lookup]
    modules += [importlib.import_module(f"appcues_async.api.{name}") for name in names]
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Endpoint) and value.server is not Server.EXTERNAL:
                yield value
    async with AppcuesClient("1", "key", "secret") as client:
        for collection in vars(client).values():
            if isinstance(collection, Collection):
                for value in vars(collection).values():
                    if isinstance(value, Endpoint):
                        yield value


def test_each_endpoint_has_one_row() -> None:
    assert len({(row.method, row.path) for row in ROWS}) == len(ROWS)
    assert len(ROWS) > 40


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_row_names_a_method_that_there_is(row: Row) -> None:
    client: object
    if row.python.startswith("cio."):
        client = CustomerIOClient("site", "key")
    else:
        client = AppcuesClient("1", "key", "secret")
    async with client:
        found: Any = client
        for name in row.python.split(".")[1:]:
            found = getattr(found, name)
        # A job is taken up again without a request; waiting for it sends some.
        assert inspect.iscoroutinefunction(found) or row.python == "client.jobs.resume"


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_row_names_a_command_that_there_is(row: Row) -> None:
    found, _, left = app.parse_commands(row.words)
    assert [*found] == row.words
    assert left == []
    assert tuple(row.words) in set(commands())


async def answer(sandbox: Sandbox, method: str, path: str) -> str:
    """What the sandbox says to a bare request."""
    given = sandbox.credentials
    auth = BasicAuth(given["api_key"], given["api_secret"])
    if path.startswith("/v1/gdpr"):
        auth = BasicAuth(sandbox.legacy_api_key, "")
    elif path.startswith("/api/"):
        site = sandbox.customerio_credentials
        auth = BasicAuth(site["site_id"], site["api_key"])
    whole = path if path.startswith("/") else f"/v2/accounts/{given['account_id']}/{path}"
    whole = whole.replace("{account_id}", given["account_id"])
    async with AsyncClient(base_url=sandbox.url, auth=auth, trust_env=False) as browser:
        response = await browser.request(method, re.sub(r"\{\w+\}", "1", whole))
        assert response.status_code not in {401, 403}
        return response.text


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_row_has_a_route_in_the_sandbox(sandbox: Sandbox, row: Row) -> None:
    kinds = get_args(ExperienceType) if "{type}" in row.path else ("",)
    for kind in kinds:
        assert NO_ROUTE not in await answer(sandbox, row.method, row.path.replace("{type}", kind))


@pytest.mark.parametrize(
    "path", ["popups", "/v1/gdpr/x", "/api/v1/x", "/v1/accounts/{account_id}/x"]
)
async def test_what_is_no_route_would_be_found_out(sandbox: Sandbox, path: str) -> None:
    assert NO_ROUTE in await answer(sandbox, "GET", path)


async def test_every_endpoint_that_is_declared_has_a_row() -> None:
    declared = {(one.method, one.route) async for one in endpoints()}
    assert declared <= {(row.method, row.path) for row in ROWS}
    assert len(declared) > 35


def test_every_command_has_a_row_or_sends_what_another_row_has() -> None:
    others: set[tuple[str, ...]] = {("request",), ("demo",), ("guide",), ("status",), ("mcp",)}
    others |= {("jobs", "download"), ("jobs", "watch"), ("sync", "segment"), ("sync", "profiles")}
    # These send nothing, or nothing to the account.
    local = {"journal", "outbox", "profiles", "sandbox"}
    rest = {words for words in commands() if words[0] not in local}
    assert rest - {tuple(row.words) for row in ROWS} <= others
