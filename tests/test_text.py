"""Text from elsewhere, as it may be shown."""

from __future__ import annotations

import copy
import pickle

import pytest

from appcues_async.errors import BulkFailed, InvalidInput, JobFailed
from appcues_async.models import Job, JobEvent, without_links
from appcues_async.text import Link, counted, guard_links, type_in_words

LINK = "https://bucket.example.com/file?X-Amz-Signature=feedface"


def test_a_link_is_itself_and_does_not_show_itself() -> None:
    link = Link(f"see {LINK}")
    assert link == f"see {LINK}"
    assert f"{link}" == f"see {LINK}"
    assert repr(link) == "'see https://…'"
    assert repr(link[4:]) == "'***'"


def test_a_link_is_copied_and_not_pickled() -> None:
    assert copy.deepcopy({"a": [Link(LINK)]}) == {"a": [LINK]}
    assert pickle.loads(pickle.dumps(Link(LINK))) == "https://…"


def test_links_are_guarded_wherever_they_are_in_values() -> None:
    guarded = guard_links({"a": [{"b": LINK}], LINK: 1, "c": "no link"})
    assert guarded == {"a": [{"b": LINK}], LINK: 1, "c": "no link"}
    assert "feedface" not in repr(guarded)


@pytest.mark.parametrize(
    "job",
    [
        Job(id="1", events=(JobEvent(attributes={"a": {"deep": [LINK]}}),)),
        Job(id="1", events=(JobEvent(attributes={LINK: 1}),)),
        Job(id="1", events=(JobEvent(name=f"at {LINK}"),)),
        Job(id="1", events=(JobEvent(extra={"a": LINK}),)),
        Job(id="1", name=LINK),
        Job(id="1", status=LINK),
        Job(id="1", extra={"a": LINK}),
        Job(id="1", url=LINK),
    ],
)
def test_no_part_of_a_job_shows_a_link(job: Job) -> None:
    assert "feedface" not in f"{job}"
    assert b"feedface" not in pickle.dumps(job)
    assert "feedface" not in str([*without_links(job).extra.values()])
    assert "feedface" not in f"{JobFailed(f'job 1 ({job.name}) failed: {job.extra}', job)}"


def test_a_job_of_any_depth_can_be_shown() -> None:
    deep: object = LINK
    for _ in range(900):
        deep = [{"a": deep}]
    job = Job(id="1", events=(JobEvent(attributes={"a": deep, "b": 1}),))
    assert "'b': 1" in repr(job)
    assert "feedface" not in repr(job)


def test_an_error_shows_what_steers_a_terminal_as_escapes() -> None:
    said = "\x1b[2Jcleared\r\n\u202e\u2028ok"
    shown = "\\x1b[2Jcleared\\r\\n\\u202e\\u2028ok"
    assert str(InvalidInput(said)) == shown
    assert str(JobFailed(said, Job(id="1"))) == shown


def test_the_summary_of_a_run_keeps_its_lines() -> None:
    error = BulkFailed("2 rows\nrow 1: \x1b[2J", None)  # type: ignore[arg-type]
    assert str(error) == "2 rows\nrow 1: \\x1b[2J"


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (1, "row", "1 row"),
        (1, "user ids", "1 user id"),
        (0, "chunk", "0 chunks"),
        (2000, "rows", "2,000 rows"),
        (1, "batches", "1 batch"),
        (2, "batch", "2 batches"),
    ],
)
def test_things_are_counted_in_words(number: int, noun: str, said: str) -> None:
    assert counted(number, noun) == said


def test_a_type_has_its_article() -> None:
    assert [type_in_words(one) for one in (1, [], object(), 2.5)] == [
        "an int",
        "a list",
        "an object",
        "a float",
    ]
