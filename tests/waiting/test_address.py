"""Where a job is: its id, its URL, its token."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appcues_async.errors import (
    InvalidInput,
)
from appcues_async.waiting.address import JobAddress
from tests.waiting.conftest import ORIGIN


def parse(text: str) -> JobAddress:
    return JobAddress.of(text, origin=ORIGIN, account_id="123")


@pytest.mark.parametrize(
    "text",
    [
        "fee890bf-8984-4502-ad47-14f1074e831c",
        " fee890bf-8984-4502-ad47-14f1074e831c\n",
        "https://api.appcues.com/v2/accounts/123/jobs/fee890bf-8984-4502-ad47-14f1074e831c",
        "https://elsewhere.example/v2/accounts/123/jobs/fee890bf-8984-4502-ad47-14f1074e831c/",
    ],
)
def test_a_job_is_named_by_id_or_url_and_always_asked_for_at_our_origin(text: str) -> None:
    address = parse(text)
    assert address.id == "fee890bf-8984-4502-ad47-14f1074e831c"
    assert address.url == f"{ORIGIN}/v2/accounts/123/jobs/{address.id}"


def test_a_token_names_the_same_job_again() -> None:
    address = JobAddress(ORIGIN, "123", "abc", "import/events")
    assert parse(address.token) == address


def test_a_token_is_versioned_json_without_credentials() -> None:
    content = json.loads(JobAddress(ORIGIN, "123", "abc", "import/events").token)
    assert content == {
        "version": 1,
        "origin": ORIGIN,
        "account_id": "123",
        "job_id": "abc",
        "kind": "import/events",
    }


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "no job id"),
        ("../../accounts/9", "no job id"),
        ("https://api.appcues.com/v2/accounts/123/flows/1", "no job id"),
        ("https://api.appcues.com/v2/accounts/999/jobs/abc", "account '999'"),
        (JobAddress(ORIGIN, "999", "abc").token, "account '999'"),
        (JobAddress("https://api.eu.appcues.com", "123", "abc").token, "eu.appcues.com"),
        (JobAddress(ORIGIN, "123", "a/b").token, "no job token"),
        ('{"version": 2, "job_id": "abc"}', "version 2"),
        ("{", "no job token"),
        ("{}", "no job token"),
    ],
)
def test_what_names_no_job_of_this_account_is_refused(text: str, rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule):
        parse(text)


@given(st.text())
def test_any_text_is_an_address_or_a_clear_refusal(text: str) -> None:
    try:
        address = parse(text)
    except InvalidInput:
        return
    assert address.url.startswith(f"{ORIGIN}/v2/accounts/123/jobs/")
