"""Bulk imports: what is refused as a whole, what fails row by row, what is stored."""

from __future__ import annotations

import json

import aiohttp
import pytest

from appcues_async.sandbox import Sandbox
from tests.sandbox.caller import Caller

WHEN = "2026-07-14T12:34:56Z"


async def test_profiles_come_as_newline_delimited_json(api: Caller) -> None:
    body = '{"user_id": "a", "plan": "pro", "seats": 3}\n\n  {"userId": "b", "vip": null}\n'
    assert await api.outcome(await api.ndjson("import/profiles", body)) == (2, 0)
    assert api.sandbox.profiles == {"a": {"plan": "pro", "seats": 3}, "b": {"vip": None}}


async def test_profiles_come_as_csv(api: Caller) -> None:
    body = '\nuser_id, plan,note\na,pro,"x, ""y""\nz"\nb,,\n\nc,free\n'
    assert await api.outcome(await api.csv("import/profiles", body)) == (3, 0)
    assert api.sandbox.profiles == {
        "a": {"plan": "pro", "note": 'x, "y"\nz'},
        "b": {},
        "c": {"plan": "free"},
    }


async def test_events_come_as_newline_delimited_json(api: Caller) -> None:
    rows = [
        {"user_id": "a", "name": "Bought", "timestamp": WHEN, "color": "red"},
        {"userId": "b", "name": "Paid", "timestamp": WHEN, "attributes": {"by": ["visa"]}},
    ]
    body = "\n".join(map(json.dumps, rows))
    assert await api.outcome(await api.ndjson("import/events", body)) == (2, 0)
    assert api.sandbox.events == [
        {"user_id": "a", "name": "Bought", "timestamp": WHEN, "attributes": {"color": "red"}},
        {"user_id": "b", "name": "Paid", "timestamp": WHEN, "attributes": {"by": ["visa"]}},
    ]


async def test_events_come_as_csv(api: Caller) -> None:
    body = f"userId,name,timestamp,color,size\na,Bought,{WHEN},red,\n"
    assert await api.outcome(await api.csv("import/events", body)) == (1, 0)
    assert api.sandbox.events == [
        {"user_id": "a", "name": "Bought", "timestamp": WHEN, "attributes": {"color": "red"}}
    ]


async def test_the_answer_names_the_job(api: Caller) -> None:
    got = await api.ndjson("import/profiles", '{"user_id": "a"}')
    (job_id,) = api.sandbox.jobs
    assert got.json == {
        "status": 202,
        "title": "Accepted",
        "job_id": job_id,
        "job_url": f"{api.account}/jobs/{job_id}",
    }


async def test_the_answer_comes_as_csv(api: Caller) -> None:
    got = await api.ndjson("import/profiles", '{"user_id": "a"}', headers={"Accept": "text/csv"})
    (job_id,) = api.sandbox.jobs
    assert got.text == (
        f"status,title,job_id,job_url\n202,Accepted,{job_id},{api.account}/jobs/{job_id}\n"
    )


async def test_the_job_s_address_is_on_the_host_that_was_called(api: Caller) -> None:
    got = await api.ndjson(
        "import/profiles", '{"user_id": "a"}', headers={"Host": "api.example.com"}
    )
    assert got.json["job_url"].startswith("http://api.example.com/v2/accounts/sandbox-account/")


async def test_a_later_row_changes_what_an_earlier_one_set(api: Caller) -> None:
    await api.ndjson(
        "import/profiles", '{"user_id": "a", "x": 1, "y": 1}\n{"user_id": "a", "x": 2}'
    )
    assert api.sandbox.profiles["a"] == {"x": 2, "y": 1}


async def test_lists_and_objects_are_dropped_from_profiles_without_a_word(api: Caller) -> None:
    got = await api.ndjson("import/profiles", '{"user_id": "a", "x": [1], "y": {"z": 1}, "w": 1}')
    assert await api.outcome(got) == (1, 0)
    assert api.sandbox.profiles["a"] == {"w": 1}


@pytest.mark.parametrize(
    "row",
    [
        "{",
        "[]",
        '"a"',
        "{user_id: 'a'}",
        '{"x": 1}',
        '{"user_id": ""}',
        '{"user_id": 7}',
        '{"user_id": null}',
        '{"user_id": "a", "x": NaN}',
        '{"user_id": "a", "x": Infinity}',
        '\ufeff{"user_id": "a"}',
    ],
)
async def test_a_bad_profile_row_fails_alone(api: Caller, row: str) -> None:
    got = await api.ndjson("import/profiles", f'{row}\n{{"user_id": "good"}}')
    assert await api.outcome(got) == (1, 1)
    assert list(api.sandbox.profiles) == ["good"]


@pytest.mark.parametrize(
    "fields",
    [
        {"user_id": None},
        {"name": None},
        {"name": ""},
        {"name": 7},
        {"name": "x" * 128},
        {"name": "appcues:flow_started"},
        {"timestamp": None},
        {"timestamp": 1_452_854_179},
        {"timestamp": "yesterday"},
        {"timestamp": "2026-07-14"},
        {"timestamp": "06/20/2026 12:00"},
        {"timestamp": "2026-02-30T00:00:00Z"},
        {"attributes": ["x"]},
    ],
)
async def test_a_bad_event_row_fails_alone(api: Caller, fields: dict[str, object]) -> None:
    good = {"user_id": "a", "name": "x" * 127, "timestamp": WHEN}
    body = json.dumps(good | fields) + "\n" + json.dumps(good)
    assert await api.outcome(await api.ndjson("import/events", body)) == (1, 1)


@pytest.mark.parametrize(
    "timestamp",
    [WHEN, "2026-07-14T12:34:56.123456+02:00", "2026-07-14T12:34", "20260714T123456Z"],
)
async def test_every_way_to_write_a_time_in_iso_8601_is_taken(api: Caller, timestamp: str) -> None:
    body = json.dumps({"user_id": "a", "name": "x", "timestamp": timestamp})
    assert await api.outcome(await api.ndjson("import/events", body)) == (1, 0)


@pytest.mark.parametrize("row", ["a,b,c", ",x", '"a"x,1', 'a,"x'])
async def test_a_bad_csv_row_fails_alone(api: Caller, row: str) -> None:
    got = await api.csv("import/profiles", f"user_id,x\ngood,1\n{row}")
    assert await api.outcome(got) == (1, 1)


async def test_empty_cells_beyond_the_header_do_no_harm(api: Caller) -> None:
    assert await api.outcome(await api.csv("import/profiles", "user_id,x\na,1,,,\n")) == (1, 0)


@pytest.mark.parametrize(
    ("path", "header", "detail"),
    [
        ("profiles", "id,x", "`user_id` is required but missing in the CSV header"),
        ("profiles", "\ufeffuser_id,x", "`user_id` is required but missing in the CSV header"),
        ("profiles", "user_id,x,x", "The CSV header names a column twice"),
        ("events", "user_id,timestamp", "`name` is required but missing in the CSV header"),
        ("events", "user_id,name", "`timestamp` is required but missing in the CSV header"),
    ],
)
async def test_a_bad_csv_header_gets_400(api: Caller, path: str, header: str, detail: str) -> None:
    got = await api.csv(f"import/{path}", f"{header}\na,b\n")
    assert (got.status, got.detail) == (400, detail)
    assert api.sandbox.jobs == {}


@pytest.mark.parametrize("body", [b"", b" \n\t\r\n"])
@pytest.mark.parametrize("kind", ["application/ndjson", "text/csv"])
async def test_an_empty_body_gets_400(api: Caller, kind: str, body: bytes) -> None:
    got = await api("POST", "import/profiles", body, kind=kind)
    assert (got.status, got.detail) == (400, "The body is empty")


@pytest.mark.parametrize(
    ("kind", "body"),
    [("application/ndjson", b'{"user_id": "\xe9"}'), ("text/csv", b"user_id\n\xe9\n")],
)
async def test_text_that_is_not_utf8_gets_400(api: Caller, kind: str, body: bytes) -> None:
    got = await api("POST", "import/profiles", body, kind=kind)
    assert (got.status, got.detail) == (400, "The body is not valid UTF-8")


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "application/json",
        "application/x-ndjson",
        "text/plain",
        "text/csv; charset=latin-1",
        "application/octet-stream",
    ],
)
async def test_another_content_type_gets_415(api: Caller, kind: str | None) -> None:
    got = await api("POST", "import/profiles", b'{"user_id": "a"}', kind=kind)
    assert got.status == 415


async def test_a_compressed_body_gets_415(api: Caller) -> None:
    got = await api.ndjson("import/profiles", b"xx", headers={"Content-Encoding": "gzip"})
    assert got.status == 415


async def test_rows_that_are_only_counted_are_not_kept(session: aiohttp.ClientSession) -> None:
    async with Sandbox(keep_rows=False) as sandbox:
        api = Caller(sandbox, session)
        got = await api.ndjson("import/profiles", '{"user_id": "a"}\n{"user_id": "b"}\n{}')
        assert await api.outcome(got) == (2, 1)
        assert sandbox.profiles == {}
        assert sandbox.requests[0].body is None
