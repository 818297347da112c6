"""From the API's JSON to the models: tolerant of what is new, plain about what is unreadable."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from appcues_async.errors import Delivery, UnexpectedReply
from appcues_async.models import Accepted, Flow, Job, JobEvent, Segment
from appcues_async.wire.codec import (
    encode,
    expect_success,
    read_object,
    read_objects,
    read_summaries,
    reader,
    reader_of_list,
)
from appcues_async.wire.reply import Reply

JOB_URL = "https://api.appcues.com/v2/accounts/1/jobs/75d59048-7961-419b-95e2-018c708bdfe5"
LISTED = {
    "id": "75d59048-7961-419b-95e2-018c708bdfe5",
    "name": "Import Profiles",
    "started_at": "2021-07-29T17:23:48",
    "status": "COMPLETED",
    "url": JOB_URL,
}
COUNTS = {
    "ingestions_completed": 22,
    "ingestions_failed": 0,
    "requests_failed": 0,
    "runtime_ms": 3198,
}
JOB = {
    **LISTED,
    "events": [
        {"attributes": {}, "name": "Ingesting", "timestamp": "2021-07-29T17:24:35"},
        {"attributes": COUNTS, "name": "Completed", "timestamp": "2021-07-29T17:24:36"},
    ],
}
SEGMENT = {
    "created_at": "2018-11-05T22:44:37.089Z",
    "created_by": "461",
    "description": "Accounts in non-expired free trial status",
    "id": "-LQA2aYxavNXfyzm9mtP",
    "name": "Trial customers",
    "updated_at": "2019-11-26T20:14:21.345Z",
    "updated_by": "NVVD02P2Kseri4J6prKXHPOLrDw2",
    "url": "https://api.appcues.com/v2/accounts/1/segments/-LQA2aYxavNXfyzm9mtP",
}
ACCEPTED = {
    "job_id": "62844794-b7d9-40c8-b811-8f51c1414c74",
    "job_url": "https://api.appcues.com/v2/accounts/1/jobs/62844794-b7d9-40c8-b811-8f51c1414c74",
    "status": 202,
    "title": "Accepted",
}

read_job: Callable[[Reply], Job] = reader(Job)
read_jobs: Callable[[Reply], list[Job]] = reader_of_list(Job)


def reply(body: object, status: int = 200) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, CIMultiDictProxy(CIMultiDict[str]()), content)


# --- the documents' own examples -----------------------------------------------------------------


def test_a_job_is_read_as_documented() -> None:
    assert read_job(reply(JOB)) == Job(
        id="75d59048-7961-419b-95e2-018c708bdfe5",
        name="Import Profiles",
        status="COMPLETED",
        started_at=datetime(2021, 7, 29, 17, 23, 48, tzinfo=UTC),
        url=JOB_URL,
        events=(
            JobEvent(name="Ingesting", timestamp=datetime(2021, 7, 29, 17, 24, 35, tzinfo=UTC)),
            JobEvent(
                name="Completed",
                timestamp=datetime(2021, 7, 29, 17, 24, 36, tzinfo=UTC),
                attributes=COUNTS,
            ),
        ),
    )


def test_a_job_of_a_list_has_no_events() -> None:
    (job,) = read_jobs(reply([LISTED]))
    assert job.events == ()
    assert job.name == "Import Profiles"


def test_a_segment_is_read_as_documented() -> None:
    segment = reader(Segment)(reply(SEGMENT))
    assert segment == Segment(
        id="-LQA2aYxavNXfyzm9mtP",
        name="Trial customers",
        description="Accounts in non-expired free trial status",
        created_at=datetime(2018, 11, 5, 22, 44, 37, 89_000, tzinfo=UTC),
        updated_at=datetime(2019, 11, 26, 20, 14, 21, 345_000, tzinfo=UTC),
        created_by="461",
        updated_by="NVVD02P2Kseri4J6prKXHPOLrDw2",
        url="https://api.appcues.com/v2/accounts/1/segments/-LQA2aYxavNXfyzm9mtP",
    )


def test_an_accepted_upload_is_read_as_documented() -> None:
    accepted = reader(Accepted)(reply(ACCEPTED, 202))
    assert accepted.job_id == ACCEPTED["job_id"]
    assert accepted.job_url == ACCEPTED["job_url"]


# --- what is new ---------------------------------------------------------------------------------


def test_unknown_fields_are_kept_as_they_came() -> None:
    job = read_job(reply({"id": "7", "progress": {"rows": [1, 2]}, "retries": 0}))
    assert job.extra == {"progress": {"rows": [1, 2]}, "retries": 0}


def test_an_unknown_field_called_extra_is_kept_too() -> None:
    assert read_job(reply({"id": "7", "extra": 5})).extra == {"extra": 5}


def test_unknown_fields_of_events_are_kept() -> None:
    job = read_job(reply({"id": "7", "events": [{"name": "Ingesting", "by": "worker-7"}]}))
    assert job.events[0].extra == {"by": "worker-7"}


@pytest.mark.parametrize("status", ["QUEUED", "completed", "", "ÉCHOUÉ"])
def test_a_status_never_seen_before_is_kept_and_is_no_end(status: str) -> None:
    job = read_job(reply({"id": "7", "status": status}))
    assert job.status == status
    assert not job.ended


def test_missing_fields_and_null_are_the_same() -> None:
    names = ("name", "status", "started_at", "url", "events")
    nulled = read_job(reply({"id": "7", **dict.fromkeys(names)}))
    assert nulled == read_job(reply({"id": "7"})) == Job(id="7")


# --- times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2021-07-29T17:23:48", datetime(2021, 7, 29, 17, 23, 48, tzinfo=UTC)),
        ("2021-07-29T17:23:48Z", datetime(2021, 7, 29, 17, 23, 48, tzinfo=UTC)),
        ("2021-07-29T17:23:48.5Z", datetime(2021, 7, 29, 17, 23, 48, 500_000, tzinfo=UTC)),
        ("2021-07-29 17:23:48", datetime(2021, 7, 29, 17, 23, 48, tzinfo=UTC)),
        ("2021-07-29", datetime(2021, 7, 29, tzinfo=UTC)),
        (1_627_579_428_000, datetime(2021, 7, 29, 17, 23, 48, tzinfo=UTC)),
        (1_627_579_428_500.0, datetime(2021, 7, 29, 17, 23, 48, 500_000, tzinfo=UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1000, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_time_is_iso_8601_or_milliseconds_and_utc_without_a_zone(
    written: object, moment: datetime
) -> None:
    job = read_job(reply({"id": "7", "started_at": written}))
    assert job.started_at == moment
    assert job.extra == {}


def test_a_time_with_an_offset_keeps_it() -> None:
    job = read_job(reply({"id": "7", "started_at": "2021-07-29T13:23:48-04:00"}))
    assert job.started_at is not None
    assert job.started_at.tzinfo == timezone(timedelta(hours=-4))


UNREADABLE_TIMES = ["", "yesterday", "29/07/2021", True, [], {}, 1e15, 1e20, 1e300, 10**25, 10**400]


@pytest.mark.parametrize("written", UNREADABLE_TIMES, ids=lambda written: repr(written)[:12])
def test_a_time_that_cannot_be_read_is_kept_as_it_came_and_fails_no_wait(written: object) -> None:
    job = read_job(reply({"id": "7", "status": "COMPLETED", "started_at": written}))
    assert job == Job(id="7", status="COMPLETED", extra={"started_at": written})


def test_so_it_is_with_the_time_of_an_event() -> None:
    job = read_job(reply({"id": "7", "events": [{"name": "Completed", "timestamp": "soon"}]}))
    assert job.events == (JobEvent(name="Completed", extra={"timestamp": "soon"}),)


# --- other values that may be missing -------------------------------------------------------------


@pytest.mark.parametrize("written", [5, True, ["a"], {"text": "a"}])
def test_text_that_may_be_missing_is_kept_as_it_came_when_it_is_none(written: object) -> None:
    segment = reader(Segment)(reply({"id": "s", "description": written}))
    assert segment == Segment(id="s", extra={"description": written})


@pytest.mark.parametrize("written", ["false", 0, 1, [], "yes"])
def test_a_flag_that_is_none_is_not_taken_for_true_or_false(written: object) -> None:
    flow = reader(Flow)(reply({"id": "f", "published": written}))
    assert flow == Flow(id="f", extra={"published": written})


@pytest.mark.parametrize("published", [True, False])
def test_a_flag_is_read(published: bool) -> None:
    assert reader(Flow)(reply({"id": "f", "published": published})).published is published


# --- what cannot be read -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        "7",
        7,
        [JOB],
        {"id": None},
        {"id": 7},
        {"id": ["7"]},
        {"id": "7", "status": 5},
        {"id": "7", "name": {}},
        {"id": "7", "events": 5},
        {"id": "7", "events": "ab"},
        {"id": "7", "events": [None]},
        {"id": "7", "events": ["Completed"]},
        {"id": "7", "events": [{"name": 5}]},
        {"id": "7", "events": [{"attributes": [1]}]},
        {"id": "7", "events": [{"attributes": "abc"}]},
        {"id": "7", "events": [{"attributes": 5}]},
    ],
)
def test_what_is_no_job_is_an_unexpected_reply_that_carries_it(body: object) -> None:
    answer = reply(body)
    with pytest.raises(UnexpectedReply, match="200 with a body that is not a Job: ") as caught:
        read_job(answer)
    assert caught.value.reply is answer
    assert caught.value.delivery is Delivery.UNKNOWN


def test_what_is_not_json_is_an_unexpected_reply() -> None:
    with pytest.raises(UnexpectedReply, match="not JSON: OK"):
        read_job(reply(b"OK"))


def test_the_error_quotes_no_more_than_the_start_of_the_body() -> None:
    with pytest.raises(UnexpectedReply) as caught:
        read_job(reply({"users": ["harriet@example.com"] * 1000}))
    assert len(str(caught.value)) < 300
    assert caught.value.__cause__ is None


NAMES = ["name", "status", "started_at", "url", "events", "attributes", "timestamp", "extra", "x"]
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # Text as any server writes it, and text that looks like a time.
    | st.text()
    | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(NAMES), JSON_VALUES), st.text())
def test_any_object_with_an_id_is_a_job_or_an_unexpected_reply(
    body: dict[str, Any], job_id: str
) -> None:
    try:
        job = read_job(reply({**body, "id": job_id}))
    except UnexpectedReply:
        return
    assert job.id == job_id
    assert set(body) - {"name", "status", "started_at", "url", "events"} <= set(job.extra)


@given(JSON_VALUES)
def test_any_json_is_a_list_of_jobs_or_an_unexpected_reply(body: Any) -> None:
    try:
        jobs = read_jobs(reply(body))
    except UnexpectedReply:
        return
    assert all(isinstance(job, Job) for job in jobs)


# --- lists ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        [LISTED],
        {"jobs": [LISTED]},
        {"data": [LISTED], "next": None, "total": 1, "links": {}},
    ],
)
def test_a_list_may_be_bare_or_the_only_list_in_an_object(body: object) -> None:
    assert [job.id for job in read_jobs(reply(body))] == [LISTED["id"]]


def test_an_empty_list_is_one() -> None:
    assert read_jobs(reply([])) == []


@pytest.mark.parametrize(
    "body", [{}, JOB | {"tags": []}, {"jobs": [], "errors": []}, {"jobs": {}}, None, 7, "[]"]
)
def test_what_is_no_list_is_an_unexpected_reply(body: object) -> None:
    with pytest.raises(UnexpectedReply, match="not a list of Job"):
        read_jobs(reply(body))


def test_one_unreadable_item_is_an_unexpected_reply() -> None:
    with pytest.raises(UnexpectedReply, match="not a Job"):
        read_jobs(reply([LISTED, {"id": 7}]))


def test_objects_may_be_read_as_they_come() -> None:
    assert read_object(reply({"a": [1]})) == {"a": [1]}
    assert read_objects(reply([{"a": 1}, {}])) == [{"a": 1}, {}]
    assert read_objects(reply({"rows": [{"a": 1}], "n": 1})) == [{"a": 1}]


@pytest.mark.parametrize("body", [[], None, 7, "{}"])
def test_what_is_no_object_is_an_unexpected_reply(body: object) -> None:
    with pytest.raises(UnexpectedReply, match="not an object"):
        read_object(reply(body))


@pytest.mark.parametrize("body", [{}, [1], [{}, None], None, {"a": [1]}])
def test_what_is_no_list_of_objects_is_an_unexpected_reply(body: object) -> None:
    with pytest.raises(UnexpectedReply, match="not a list of objects"):
        read_objects(reply(body))


# --- the rest ------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"OK", {"status": 200, "title": "OK"}])
def test_a_success_that_says_no_more_is_nothing(body: object) -> None:
    expect_success(reply(body))


def test_json_is_written_in_utf_8_without_blanks() -> None:
    assert encode({"name": "é", "n": 1}) == '{"name":"é","n":1}'.encode()


def test_links_in_unknown_fields_of_a_job_are_not_shown() -> None:
    link = "https://files.example.com/x?X-Amz-Signature=feedface"
    job = read_job(reply({"id": "1", "file": link, "started_at": link, "events": [{"a": link}]}))
    assert job.extra == {"file": link, "started_at": link}
    assert "feedface" not in repr(job)


@pytest.mark.parametrize("depth", [500, 990, 1_000, 100_000])
def test_json_of_any_depth_is_read_or_an_unexpected_reply(depth: int) -> None:
    body = '[{"id":"1","attributes":' * depth + "1" + "}]" * depth
    for read in (read_summaries, reader_of_list(Job), read_object):
        with suppress(UnexpectedReply):
            read(Reply(200, CIMultiDictProxy(CIMultiDict()), body.encode()))
