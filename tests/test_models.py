"""What the API answers, as values that do not change."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from appcues_async.models import (
    Accepted,
    Checklist,
    Event,
    Experience,
    Flow,
    Job,
    JobEvent,
    Rows,
    Segment,
    Tag,
    without_links,
)
from appcues_async.text import hide_links

DONE = JobEvent(
    name="Completed",
    attributes={
        "ingestions_completed": 22,
        "ingestions_failed": 1,
        "requests_failed": 2,
        "runtime_ms": 3198,
    },
)
COUNTS: list[Callable[[Job], int | None]] = [
    lambda job: job.ingestions_completed,
    lambda job: job.ingestions_failed,
    lambda job: job.requests_failed,
    lambda job: job.runtime_ms,
]


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        ("COMPLETED", True),
        ("FAILED", True),
        ("IN_PROGRESS", False),
        ("", False),
        ("completed", False),
        ("CANCELLED", False),
    ],
)
def test_a_job_has_ended_only_in_the_two_ways_that_are_documented(status: str, ended: bool) -> None:
    assert Job(id="7", status=status).ended is ended


def test_counts_are_those_of_the_jobs_events() -> None:
    job = Job(id="7", events=(JobEvent(name="Ingesting"), DONE))
    assert [count(job) for count in COUNTS] == [22, 1, 2, 3198]


def test_before_the_job_has_said_so_there_are_no_counts() -> None:
    job = Job(id="7", events=(JobEvent(name="Ingesting"),))
    assert [count(job) for count in COUNTS] == [None, None, None, None]


def test_the_last_word_of_a_job_counts() -> None:
    early = JobEvent(name="Ingesting", attributes={"ingestions_completed": 5, "requests_failed": 9})
    late = JobEvent(name="Completed", attributes={"ingestions_completed": 22})
    job = Job(id="7", events=(early, late))
    assert job.ingestions_completed == 22
    assert job.requests_failed == 9


@pytest.mark.parametrize(
    ("value", "count"), [(0, 0), (7, 7), (7.0, 7), (True, None), ("7", None), (None, None)]
)
def test_a_count_is_a_number(value: Any, count: int | None) -> None:
    job = Job(id="7", events=(JobEvent(attributes={"ingestions_failed": value}),))
    assert job.ingestions_failed == count


MODELS = [
    Job(id="7", started_at=datetime(2026, 7, 14, tzinfo=UTC), events=(DONE,), extra={"a": [1]}),
    DONE,
    Segment(id="s", created_at=datetime(2026, 7, 14, tzinfo=UTC)),
    Accepted(job_id="7"),
    Flow(id="f", published=True),
    Experience(id="e"),
    Checklist(id="c", internal_name="Welcome"),
    Tag(id="t"),
    Event(name="Paid", attributes={"method": "visa"}),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_model_does_not_change(model: attrs.AttrsInstance) -> None:
    for field in attrs.fields(type(model)):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(model, field.name, None)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_model_comes_out_of_a_pickle_as_it_went_in(model: attrs.AttrsInstance) -> None:
    assert pickle.loads(pickle.dumps(model)) == model


@pytest.mark.parametrize("cls", sorted({type(model) for model in MODELS}, key=str))
def test_fields_are_given_by_name(cls: Any) -> None:
    with pytest.raises(TypeError):
        cls("7")


def test_two_models_share_no_mapping() -> None:
    assert Job(id="1").extra is not Job(id="2").extra


def test_rows_are_a_list_that_says_whether_it_is_whole() -> None:
    assert Rows([{"n": 1}]) == [{"n": 1}]
    assert not Rows().truncated
    assert Rows([{"n": 1}], truncated=True).truncated


# --- links to files ------------------------------------------------------------------------------

LINK = "https://bucket.example.com/file?signature=s3cret"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (LINK, "https://…"),
        (f"see {LINK} and {LINK}, soon", "see https://… and https://… soon"),
        (f'{{"link": "{LINK}"}}', '{"link": "https://…"}'),
        ('{"link": "HTTPS:\\/\\/bucket\\/s3cret"}', '{"link": "HTTPS://…"}'),
        ("http:/no link", "http:/no link"),
        ("ftp://no.link", "ftp://no.link"),
        ("", ""),
    ],
)
def test_a_link_is_taken_out_of_text(text: str, hidden: str) -> None:
    assert hide_links(text) == hidden


EXPORTED = Job(
    id="7",
    status="COMPLETED",
    events=(
        JobEvent(name="Completed", attributes={"signed_s3_url": LINK, "nested": [LINK], "n": 1}),
        JobEvent(name="Mailed", extra={"to": LINK}),
    ),
    extra={"download_url": LINK},
)


def test_a_job_that_is_printed_shows_no_link_to_its_file() -> None:
    assert "s3cret" not in repr(EXPORTED)
    assert "signed_s3_url" in repr(EXPORTED)


def test_a_job_that_is_told_to_anyone_holds_no_link_to_its_file() -> None:
    told = without_links(EXPORTED)
    assert "s3cret" not in repr(attrs.asdict(told))
    assert told.events[0].attributes["n"] == 1
    assert told.id == "7"


def test_a_job_without_links_is_told_as_it_is() -> None:
    job = Job(id="7", events=(DONE,))
    assert without_links(job) is job
