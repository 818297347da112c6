"""CSV answers through `client.request`, as text and as rows."""

from __future__ import annotations

import pytest

from appcues_async import AppcuesClient, UnexpectedReply
from appcues_async.sandbox import Answer, Sandbox

PATHS = ["flows", "flows/flow1", "segments", "users/007/profile", "users/007/events", "jobs"]


@pytest.mark.parametrize("path", PATHS)
async def test_every_get_that_the_reference_shows_with_csv_is_had_as_rows(
    sandbox: Sandbox, client: AppcuesClient, path: str
) -> None:
    await client.segments.create("Friends")
    await client.users.update_profile("007", {"plan": "pro"})
    await client.users.track_event("007", "Paid", attributes={"method": "visa"})
    await (await client.imports.profiles([{"user_id": "007"}]))
    reply = await client.request("GET", path, accept="text/csv")
    rows = reply.rows()
    assert rows
    assert ",".join(rows[0]) in reply.text() or path == "users/007/profile"
    assert all(isinstance(value, str) for row in rows for value in row.values())


def csv(sandbox: Sandbox, body: str | bytes) -> None:
    sandbox.faults.add(Answer(200, body=body, headers={"Content-Type": "text/csv"}))


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        ("a,b\n1,2\n", [{"a": "1", "b": "2"}]),
        ("a,b\r\n,\r\n", [{"a": "", "b": ""}]),
        ('a\n"x, ""y""\nz"\n', [{"a": 'x, "y"\nz'}]),
        (b"\xef\xbb\xbfa\n1\n", [{"a": "1"}]),
        ("a\n1\n\n", [{"a": "1"}]),
        ("a\n", []),
        ("", []),
    ],
)
async def test_rows_are_text_by_the_name_of_their_column(
    sandbox: Sandbox, client: AppcuesClient, body: str | bytes, rows: list[dict[str, str]]
) -> None:
    csv(sandbox, body)
    assert (await client.request("GET", "flows", accept="text/csv")).rows() == rows


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("a,b\n1,2\n1\n", "row 2 has 1 cells under 2 columns"),
        ("a\n1,2\n", "row 1 has 2 cells under 1 columns"),
        ('a\n"x', "not CSV"),
        (b"\xff", "not CSV"),
    ],
)
async def test_what_is_no_csv_is_unexpected(
    sandbox: Sandbox, client: AppcuesClient, body: str | bytes, rule: str
) -> None:
    csv(sandbox, body)
    reply = await client.request("GET", "flows", accept="text/csv")
    with pytest.raises(UnexpectedReply, match=rule):
        reply.rows()


async def test_json_is_no_rows_and_the_error_says_what_to_ask_for(client: AppcuesClient) -> None:
    with pytest.raises(UnexpectedReply, match="ask with accept='text/csv'"):
        (await client.request("GET", "flows")).rows()
