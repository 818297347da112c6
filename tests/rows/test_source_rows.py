"""Rows in memory become the body of one upload, or are refused before anything is sent."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appcues_async.rows import sources
from appcues_async.rows.ids import PLACEHOLDERS
from appcues_async.rows.kinds import EVENTS, PROFILES, USER_IDS, Kind
from appcues_async.rows.sources import body_of
from appcues_async.text import type_in_words
from appcues_async.wire.request import NDJSON, Multipart
from tests.rows.bodies import (
    EVENTS_CSV,
    USERS_CSV,
    media_of,
    refusal_of,
    sent,
)

# --- files ---------------------------------------------------------------------------------------


def rows(number: int) -> Iterator[dict[str, str]]:
    for one in range(number):
        yield {"user_id": f"{one:03}"}


async def rows_later(number: int) -> AsyncIterator[dict[str, str]]:
    for row in rows(number):
        await asyncio.sleep(0)
        yield row


class TestRows:
    @pytest.mark.parametrize(
        "source",
        [lambda: list(rows(3)), lambda: tuple(rows(3)), lambda: rows(3), lambda: rows_later(3)],
    )
    async def test_rows_come_from_any_iterable(self, source: Callable[[], Any]) -> None:
        body = await body_of(source(), PROFILES)
        assert sent(body) == b'{"user_id":"000"}\n{"user_id":"001"}\n{"user_id":"002"}\n'
        assert body.content_type == NDJSON

    async def test_ids_are_written_in_double_quotes(self) -> None:
        assert sent(await body_of(["007", "é"], USER_IDS)) == '"007"\n"é"\n'.encode()

    async def test_ids_may_be_a_set(self) -> None:
        assert sent(await body_of({"007"}, USER_IDS)) == b'"007"\n'

    @pytest.mark.parametrize("number", [1, 255, 256, 257, 600])
    async def test_no_row_is_lost_between_batches(self, number: int) -> None:
        for source in (rows(number), rows_later(number)):
            lines = sent(await body_of(source, PROFILES)).splitlines()
            assert [json.loads(line) for line in lines] == list(rows(number))

    async def test_a_datetime_is_written_with_its_zone(self) -> None:
        row = {"user_id": "007", "at": datetime(2026, 7, 14, tzinfo=UTC)}
        assert sent(await body_of([row], PROFILES)) == (
            b'{"user_id":"007","at":"2026-07-14T00:00:00+00:00"}\n'
        )

    async def test_a_line_break_in_a_value_does_not_break_the_line(self) -> None:
        row = {"user_id": "007", "note": "two\nlines\r\u2028\u0085"}
        (line,) = sent(await body_of([row], PROFILES)).removesuffix(b"\n").split(b"\n")
        assert json.loads(line) == row

    async def test_a_refused_row_is_named_by_its_number(self) -> None:
        source = [*rows(700), {"user_id": 7.0}, *rows(1)]
        assert (await refusal_of(source)).startswith("row 701: user_id is 7.0, a float")

    @pytest.mark.parametrize("kind", [PROFILES, EVENTS, USER_IDS])
    @pytest.mark.parametrize("empty", [[], (), set(), iter([])])
    async def test_no_rows_are_refused(self, kind: Kind, empty: Iterable[Any]) -> None:
        message = await refusal_of(empty, kind)
        assert message == f"there are no {kind.name} to send; the source has no rows"

    async def test_one_mapping_is_refused_with_how_to_give_one_row(self) -> None:
        message = await refusal_of({"user_id": "007"})
        assert message == "source is one mapping; give a list of rows, even of one"

    @pytest.mark.parametrize("source", [5, None, 1.5, object()])
    async def test_what_gives_no_rows_is_refused_with_what_does(self, source: Any) -> None:
        message = await refusal_of(source)
        assert message == (
            f"source is {type_in_words(source)}; give a path, bytes, or an iterable of rows"
        )

    async def test_csv_is_no_format_for_rows(self) -> None:
        message = await refusal_of(rows(1), as_format="csv")
        assert message == "format is 'csv', and rows are sent as NDJSON; leave format out"

    async def test_ndjson_is_the_format_of_rows(self) -> None:
        assert await media_of(rows(1), as_format="ndjson") == NDJSON

    @pytest.mark.parametrize("source", [io.StringIO("007\n008\n"), io.BytesIO(b"007\n")])
    async def test_an_open_file_is_refused_with_what_to_give(self, source: Any) -> None:
        message = await refusal_of(source, USER_IDS)
        assert message == (
            f"source is an open file, a {type(source).__name__}; give its path, or what read() returns "
            "as bytes"
        )

    async def test_a_dataframe_is_not_taken_for_its_column_names(self) -> None:
        columns = ("user_id", "email")
        frame = type("DataFrame", (), {"columns": columns, "__iter__": lambda _: iter(columns)})
        frame.__dataframe__ = None  # type: ignore[attr-defined]
        message = await refusal_of(frame(), USER_IDS)
        assert message == (
            "source is a DataFrame; give its rows as mappings, or the column of ids as a list"
        )

    @pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame, pa.table])
    async def test_a_frame_is_sent_as_its_rows(self, make: Callable[[Any], Any]) -> None:
        frame = make({"user_id": ["007", "008"], "seats": [3, 4], "active": [True, False]})
        assert sent(await body_of(frame, PROFILES)) == (
            b'{"user_id":"007","seats":3,"active":true}\n'
            b'{"user_id":"008","seats":4,"active":false}\n'
        )
        assert sent(await body_of(frame, USER_IDS)) == b'"007"\n"008"\n'
        if hasattr(frame, "__getitem__"):
            assert sent(await body_of(frame["user_id"], USER_IDS)) == b'"007"\n"008"\n'

    async def test_a_frame_without_a_column_that_is_needed_is_refused(self) -> None:
        message = await refusal_of(pl.DataFrame({"user_id": ["1"], "name": ["Paid"]}), EVENTS)
        assert message == "the frame has no timestamp; it has: user_id, name"

    async def test_one_column_of_a_dataframe_is_taken(self) -> None:
        series = type(
            "Series", (), {"__arrow_c_stream__": None, "__iter__": lambda _: iter(["007"])}
        )
        assert sent(await body_of(series(), USER_IDS)) == b'"007"\n'

    @pytest.mark.parametrize("source", [lambda rows: rows, list])
    async def test_other_tasks_run_while_rows_are_read(
        self, source: Callable[[Iterator[dict[str, str]]], Any]
    ) -> None:
        steps = 0

        async def step() -> None:
            nonlocal steps
            while True:
                steps += 1
                await asyncio.sleep(0)

        stepping = asyncio.create_task(step())
        await body_of(source(rows(2560)), PROFILES)
        stepping.cancel()
        assert steps >= 10

    async def test_an_error_of_the_source_comes_through(self) -> None:
        def broken() -> Iterator[dict[str, str]]:
            yield {"user_id": "007"}
            raise LookupError("the database has gone")

        with pytest.raises(LookupError, match="the database has gone"):
            await body_of(broken(), PROFILES)


# --- sizes ---------------------------------------------------------------------------------------


class TestSizes:
    @pytest.mark.parametrize("number", [100, 101])
    async def test_up_to_20_mb_is_a_post_and_more_a_file_upload(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int
    ) -> None:
        monkeypatch.setattr(sources, "POST_LIMIT", 100)
        data = b"user_id\n".ljust(number, b"7")
        (tmp_path / "users.csv").write_bytes(data)
        for source in (data, tmp_path / "users.csv"):
            body = await body_of(source, PROFILES)
            assert isinstance(body, Multipart) is (number > 100)

    @pytest.mark.parametrize(
        ("kind", "source", "filename"),
        [
            (PROFILES, USERS_CSV, "profiles.csv"),
            (PROFILES, [{"user_id": "007"}], "profiles.ndjson"),
            (EVENTS, EVENTS_CSV, "events.csv"),
            (USER_IDS, ["007"], "user-ids.ndjson"),
        ],
    )
    async def test_a_file_upload_has_a_name_that_says_what_it_is(
        self, monkeypatch: pytest.MonkeyPatch, kind: Kind, source: Any, filename: str
    ) -> None:
        monkeypatch.setattr(sources, "POST_LIMIT", 1)
        body = await body_of(source, kind)
        assert isinstance(body, Multipart)
        assert body.filename == filename

    @pytest.mark.parametrize("number", [100, 101])
    async def test_more_than_200_mb_is_refused_with_what_takes_it(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int
    ) -> None:
        monkeypatch.setattr(sources, "FILE_LIMIT", 100)
        path = tmp_path / "users.csv"
        path.write_bytes(b"user_id\n".ljust(number, b"7"))
        if number <= 100:
            await body_of(path, PROFILES)
            return
        assert await refusal_of(path) == (
            f"{path} has 101 bytes or more of profiles; one upload takes 100: "
            "cut it up, as client.bulk does"
        )

    async def test_bytes_over_the_limit_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sources, "FILE_LIMIT", 10)
        assert "client.bulk" in await refusal_of(USERS_CSV)

    async def test_rows_over_the_limit_are_refused_before_all_are_read(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sources, "FILE_LIMIT", 1000)
        source = iter(list(rows(10_000)))
        assert "client.bulk" in await refusal_of(source)
        assert next(source)

    def test_the_limits_are_those_of_the_documents(self) -> None:
        assert (sources.POST_LIMIT, sources.FILE_LIMIT) == (20_000_000, 200_000_000)


# --- any rows -------------------------------------------------------------------------------------

IDS = st.text(st.characters(categories=["L", "Nd"]), min_size=1).filter(
    lambda one: one.isprintable() and one not in PLACEHOLDERS
)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
)
ROWS = st.builds(
    lambda user_id, attributes: {**attributes, "user_id": user_id},
    IDS | st.integers().map(str) | st.just("007"),
    st.dictionaries(st.text(min_size=1).filter(lambda name: name != "userId"), VALUES | st.text()),
)


@given(st.lists(ROWS, min_size=1, max_size=5))
def test_a_strict_reader_reads_back_the_rows_and_ids_stay_text(given_rows: list[Any]) -> None:
    body = asyncio.run(body_of(given_rows, PROFILES))
    lines = sent(body).decode("utf-8").removesuffix("\n").split("\n")
    read = [json.loads(line) for line in lines]
    assert read == given_rows
    assert all(type(row["user_id"]) is str for row in read)
    assert [{name: type(one) for name, one in row.items()} for row in read] == [
        {name: type(one) for name, one in row.items()} for row in given_rows
    ]


@given(st.lists(IDS, min_size=1))
def test_a_strict_reader_reads_back_the_ids(ids: list[str]) -> None:
    lines = sent(asyncio.run(body_of(ids, USER_IDS))).decode("utf-8").removesuffix("\n").split("\n")
    assert [json.loads(line) for line in lines] == ids
