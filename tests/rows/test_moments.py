"""Edges of ranges and offsets of zones, as exports and histories take them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from appcues_async import InvalidInput
from appcues_async.rows.moments import offset_of, range_edge

WINTER = datetime(2026, 1, 15, tzinfo=UTC)
SUMMER = datetime(2026, 7, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (date(2021, 8, 11), "2021-08-11"),
        ("2021-08-11", "2021-08-11"),
        (
            datetime(2021, 8, 11, 9, tzinfo=timezone(-timedelta(hours=4))),
            "2021-08-11T09:00:00-04:00",
        ),
        ("2021-08-11T09:00:00Z", "2021-08-11T09:00:00Z"),
        (1628672400000, 1628672400000),
        (0, 0),
    ],
)
def test_a_range_begins_at_a_day_a_moment_or_milliseconds(given: object, made: object) -> None:
    assert range_edge(given, "start_time") == made


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (1628672400, "reads as seconds since 1970; the API takes milliseconds: 1628672400000"),
        (-1, "not negative"),
        (True, "it must be a date"),
        (1628672400000.0, "it must be a date"),
        ("2021-02-30", "there is no such day"),
        ("2021-08-11T09:00:00", "without a zone"),
        ("11/08/2021", "ISO 8601"),
        (datetime(2021, 8, 11), "without a zone"),
        (None, "it must be a date"),
    ],
)
def test_any_other_edge_is_refused(given: object, rule: str) -> None:
    with pytest.raises(InvalidInput, match=f"start_time is .*{rule}"):
        range_edge(given, "start_time")


@pytest.mark.parametrize(
    ("zone", "made"),
    [
        ("-04:00", "-04:00"),
        ("+05:30", "+05:30"),
        (-240, "-04:00"),
        (-30, "-00:30"),
        (0, "+00:00"),
        (timedelta(hours=-9, minutes=-30), "-09:30"),
        (UTC, "+00:00"),
        (timezone(timedelta(hours=14)), "+14:00"),
    ],
)
def test_an_offset_is_written_as_hours_and_minutes(zone: object, made: str) -> None:
    assert offset_of(zone, SUMMER) == made


def test_a_zone_with_summer_time_has_the_offset_of_the_moment() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert (offset_of(berlin, WINTER), offset_of(berlin, SUMMER)) == ("+01:00", "+02:00")


@pytest.mark.parametrize(
    "zone",
    [
        "Europe/Berlin",
        "Z",
        "-4:00",
        "+24:00",
        "+02:60",
        "",
        1440,
        -1440,
        True,
        1.5,
        None,
        timedelta(seconds=30),
        timedelta(days=1),
    ],
)
def test_what_is_no_offset_is_refused(zone: object) -> None:
    with pytest.raises(InvalidInput, match=r"time_zone is .* offset from UTC below 24 hours: text"):
        offset_of(zone, SUMMER)
