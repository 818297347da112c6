"""Whatever servers and files hold, what reads them raises nothing but this package's errors.

Each reader gets some seconds of made-up input; APPCUES_FUZZ_SECONDS says how many.
"""

from __future__ import annotations

import math
import os
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from appcues_async import AppcuesError
from appcues_async.bulk.reading.blocks import read_blocks
from appcues_async.bulk.reading.prepare import prepare
from appcues_async.bulk.reading.prepared import Reading
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.models import Job, without_links
from appcues_async.rows.kinds import EVENTS, PROFILES, USER_IDS, Kind
from appcues_async.text import printable
from appcues_async.waiting.lookup import _read_export, _read_job, _read_jobs
from appcues_async.wire.codec import job_of, read_object, read_objects, read_summaries
from appcues_async.wire.reply import Reply, error_of, limits_of, retry_after_of

SECONDS: Final = float(os.environ.get("APPCUES_FUZZ_SECONDS", "5"))

pytestmark = [pytest.mark.long, pytest.mark.timeout(SECONDS * 3 + 120)]

DAYS: Final = st.sampled_from(
    ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
NUMBERS: Final = st.sampled_from(
    ["0", "-1", "1e9", "1.5", "9" * 400, "NaN", "inf", "٣", "1,5", " 7 "]
)


def broken(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Texts with some other text in the middle."""
    return st.builds(
        lambda text, start, end, other: text[:start] + other + text[end:],
        texts,
        st.integers(0, 40),
        st.integers(0, 40),
        st.text(max_size=6),
    )


HEADER: Final = st.one_of(
    DAYS, NUMBERS, broken(DAYS), broken(NUMBERS), st.text(max_size=40), st.datetimes().map(str)
)
"""What may stand in a header that says when."""

LINK: Final = "https://files.example.com/x?X-Amz-Signature=feedface"
SHOWN: Final = re.compile(r"https?://[^\s\"']*feedface")
"""What must not be seen of it."""
SCALAR: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["COMPLETED", "FAILED", LINK, "2026-07-14T12:34:56", "99999-01-01", "\x1b[2J"]),
)
NAMES: Final = st.sampled_from(
    [
        "id", "name", "status", "started_at", "url", "events", "attributes", "timestamp", "extra",
        "ingestions_completed", "ingestions_failed", "requests_failed", "runtime_ms", "job_id",
        "download_url", "failure_reason", "expires_at", "title", "detail", "message", "meta", "errors",
    ]
)  # fmt: skip
VALUE: Final = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner),
    max_leaves=25,
)
DEEP: Final = st.builds(
    lambda depth, opening, closing, inner: opening * depth + inner + closing * depth,
    st.integers(1, 3_000),
    st.sampled_from(
        ["[", '{"events":[', '[{"attributes":', '{"title":', '{"meta":{"errors":[', "{"]
    ),
    st.sampled_from(["]", "]}", "}]", "}", "]}}", ""]),
    st.sampled_from(["1", "", '"x"']),
)


def as_json(value: Any) -> bytes:
    import json  # noqa: PLC0415 - it writes what no JSON has, such as NaN

    return json.dumps(value).encode("utf-8", "surrogatepass")


JSON: Final = st.one_of(
    VALUE.map(as_json),
    st.dictionaries(NAMES, VALUE, min_size=3).map(as_json),
    st.builds(
        lambda body, cut, other: body[:cut] + other + body[cut + 1 :],
        VALUE.map(as_json),
        st.integers(0, 60),
        st.binary(max_size=4),
    ),
    DEEP.map(str.encode),
    st.binary(max_size=60),
)

CELL: Final = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            '"',
            '""',
            '"a',
            'a"',
            "\r",
            "\n",
            "\r\n",
            "\0",
            "\ufeff",
            "=1+1",
            "007",
            "1e999",
            "nan",
            "{}",
        ]
    ),
    st.sampled_from(
        ['{"a": 1}', "[1", "2026-07-14T12:34:56Z", "2026-02-30", "user_id", "name", "\x1a"]
    ),
)
CSV: Final = st.builds(
    lambda rows, comma, ending, mark: (
        mark + ending.join(map(comma.join, rows)).encode("utf-8", "surrogatepass")
    ),
    st.lists(st.lists(CELL, max_size=5), max_size=8),
    st.sampled_from([",", ";", "\t", ""]),
    st.sampled_from(["\n", "\r\n", "\r", "\n\n", ""]),
    st.sampled_from(
        [b"", b"", b"user_id,name,timestamp\n", b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b"]
    ),
)
LINES: Final = st.builds(
    lambda rows, ending, mark: mark + ending.join(rows),
    st.lists(
        JSON
        | st.dictionaries(
            st.sampled_from(["user_id", "name", "timestamp", "attributes", "a"])
            | st.text(max_size=4),
            VALUE,
        ).map(as_json),
        max_size=6,
    ),
    st.sampled_from([b"\n", b"\r\n", b"\n\n", b""]),
    st.sampled_from([b"", b'{"user_id": "007", "a": 1}\n', b"\xef\xbb\xbf", b"["]),
)


QUIET: Final = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)


def fuzz(strategy: st.SearchStrategy[Any], read: Callable[[Any], None]) -> None:
    """Reads made-up input for some seconds, with another seed each time."""
    until = time.monotonic() + SECONDS

    @settings(max_examples=100, deadline=None, database=None, suppress_health_check=QUIET)
    @given(strategy)
    def some(value: Any) -> None:
        read(value)

    while time.monotonic() < until:
        some()


def check_text(error: AppcuesError) -> None:
    """Makes sure that an error says nothing that steers a terminal."""
    assert printable(str(error)) == str(error)


def replied(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, CIMultiDictProxy(CIMultiDict(headers or {})), body)


def test_headers_that_say_when() -> None:
    def read(given: tuple[str, str, str]) -> None:
        asked, date, reset = given
        headers = {"Retry-After": asked, "Date": date, "X-RateLimit-Reset": reset}
        reply = replied(b"", 429, headers)
        seconds = retry_after_of(reply)
        assert seconds is None or (seconds >= 0 and math.isfinite(seconds))
        limits_of(reply)
        error = error_of(reply, "GET flows")
        assert isinstance(error, AppcuesError)
        check_text(error)

    fuzz(st.tuples(HEADER, HEADER, HEADER), read)


READERS: Final[Sequence[Callable[[Reply], Any]]] = (
    _read_job,
    _read_jobs,
    _read_export,
    lambda reply: [job_of(one) for one in read_summaries(reply).values()],
    read_object,
    read_objects,
    Reply.rows,
)


def test_jobs_and_errors_as_json() -> None:
    def read(body: bytes) -> None:
        for reader in READERS:
            try:
                value = reader(replied(body))
            except AppcuesError as error:
                check_text(error)
                continue
            for job in value if isinstance(value, list) else [value]:
                if isinstance(job, Job):
                    assert not SHOWN.search(repr(job))
                    without_links(job)
                    counts = (job.ingestions_completed, job.ingestions_failed, job.runtime_ms)
                    assert all(count is None or isinstance(count, int) for count in counts)
        for status in (302, 400, 429, 503):
            said = error_of(replied(body, status), "GET flows")
            assert isinstance(said, AppcuesError)
            check_text(said)
            assert not SHOWN.search(f"{said}{said.problem!r}")

    fuzz(JSON, read)


def read_rows(data: bytes, kind: Kind) -> None:
    stop = threading.Event()
    counter = RowCounter()
    try:
        prepared = prepare(data, Reading(kind), 2_000, stop).opened(stop)
        try:
            feed, layout = prepared.feed, prepared.layout
            if feed is None or layout is None:
                return
            judge = Reading(kind).judge(layout)
            rows = sum(
                len(block.numbers) for block in read_blocks(feed, layout, judge, 2_000, counter)
            )
            assert rows + counter.rejected <= data.count(b"\n") + data.count(b"\r") + 1
        finally:
            prepared.close()
    except AppcuesError as error:
        check_text(error)


@pytest.mark.parametrize("kind", [PROFILES, EVENTS, USER_IDS], ids=lambda kind: kind.name)
def test_csv(kind: Kind) -> None:
    fuzz(CSV, lambda data: read_rows(data, kind))


@pytest.mark.parametrize("kind", [PROFILES, EVENTS, USER_IDS], ids=lambda kind: kind.name)
def test_ndjson(kind: Kind) -> None:
    fuzz(LINES, lambda data: read_rows(data, kind))
