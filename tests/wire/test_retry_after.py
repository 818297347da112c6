"""How long a reply asks to wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appcues_async.wire.reply import retry_after_of
from tests.wire.replies import reply

DATE = "Tue, 14 Jul 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("1", 1.0),
        ("120", 120.0),
        ("1.5", 1.5),
        (" 7 ", 7.0),
        ("007", 7.0),
        ("99999999999", 99999999999.0),
        ("", None),
        ("-1", None),
        ("-100", None),
        ("+5", None),
        (".5", None),
        ("5.", None),
        ("1e3", None),
        ("0x10", None),
        ("1,5", None),
        ("1_000", None),
        ("٣", None),
        ("nan", None),
        ("inf", None),
        ("Infinity", None),
        ("9" * 400, None),
        ("invalid", None),
        ("5 seconds", None),
        ("soon; 5", None),
    ],
)
def test_seconds_are_read_and_nonsense_is_as_if_nothing_had_been_said(
    value: str, seconds: float | None
) -> None:
    assert retry_after_of(reply(status=429, headers={"Retry-After": value})) == seconds


def test_without_the_header_nothing_is_asked_for() -> None:
    assert retry_after_of(reply(status=429)) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Tue, 14 Jul 2026 12:00:30 GMT", 30),
        ("Tue, 14 Jul 2026 12:00:00 GMT", 0),
        ("Tue, 14 Jul 2026 11:00:00 GMT", 0),
        ("Tuesday, 14-Jul-26 12:00:30 GMT", 30),
        ("Tue Jul 14 12:00:30 2026", 30),
        ("Tue, 14 Jul 2026 14:00:30 +0200", 30),
        ("Tue, 14 Jul 2026 12:00:30 -0000", 30),
        ("Tue, 14 Jul 2026 12:00:30", 30),
        ("Wed, 15 Jul 2026 12:00:00 GMT", 86_400),
        ("Tue, 99 Jul 2026 12:00:30 GMT", None),
        ("Tue, 14 Jul 2026 25:00:30 GMT", None),
        ("Tue, 14 Jul 99999999999999 12:00:30 GMT", None),
        ("Tue", None),
    ],
)
def test_a_date_is_measured_against_the_answers_own(value: str, seconds: float | None) -> None:
    headers = {"Retry-After": value, "Date": DATE}
    assert retry_after_of(reply(status=429, headers=headers)) == seconds


@pytest.mark.parametrize("date", [None, "", "junk"])
def test_without_the_answers_own_date_the_clock_of_this_machine_serves(date: str | None) -> None:
    due = format_datetime(datetime.now(UTC) + timedelta(seconds=1000), usegmt=True)
    headers = {"Retry-After": due} | ({} if date is None else {"Date": date})
    assert retry_after_of(reply(status=429, headers=headers)) == pytest.approx(1000, abs=30)


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"X-RateLimit-Reset": "1784030430"}, 30),
        (429, {"X-RateLimit-Reset": "1784030000"}, 0),
        (429, {"X-RateLimit-Reset": "1784030430", "Retry-After": "7"}, 7),
        (429, {"X-RateLimit-Reset": "1784030430", "Retry-After": "junk"}, None),
        (503, {"X-RateLimit-Reset": "1784030430"}, None),
        (429, {"X-RateLimit-Reset": "30"}, None),
        (429, {"X-RateLimit-Reset": "1784030430000"}, None),
        (429, {"X-RateLimit-Reset": "-784030430"}, None),
        (429, {"X-RateLimit-Reset": "junk"}, None),
    ],
)
def test_a_429_may_say_it_as_the_moment_of_the_next_window(
    status: int, headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after_of(reply(status=status, headers={"Date": DATE, **headers})) == seconds


WORDS = st.sampled_from(
    [
        *("Tue,", "14", "Jul", "2026", "12:00:30", "GMT", "+0200", "-0000", "-9999", "99", "0"),
        *(":", ",", "(", "\\", '"', "", "12.00.30", "9999999999", "-", "Jul-26", "AM", "0000"),
    ]
)
DATES = st.lists(WORDS, max_size=8).map(" ".join)


@given(st.text() | DATES, st.text() | DATES | st.just(DATE))
def test_no_header_makes_it_fail_or_ask_for_less_than_nothing(value: str, date: str) -> None:
    seconds = retry_after_of(reply(status=429, headers={"Retry-After": value, "Date": date}))
    assert seconds is None or 0 <= seconds < float("inf")
