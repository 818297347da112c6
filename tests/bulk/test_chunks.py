"""Files, cut: everything comes out again, in parts that begin and end where rows do."""

from __future__ import annotations

import csv
import io
import json
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appcues_async.bulk.chunks import Chunk, ChunkBuilder, draw
from appcues_async.bulk.reading import row_edges
from appcues_async.bulk.reading.blocks import read_blocks
from appcues_async.bulk.reading.checks import Check
from appcues_async.bulk.reading.inputs import MemoryFeed, StreamFeed
from appcues_async.bulk.reading.prepare import PreparedSource, Reading, prepare
from appcues_async.bulk.reading.row_edges import last_edge, ndjson_cuts, row_spans
from appcues_async.bulk.rejects import RowCounter
from appcues_async.rows.kinds import PROFILES
from appcues_async.wire.request import FilePieces
from tests.bulk.bodies import content

CELL = st.text(
    st.sampled_from('ab,"\n\r ;é€𝄞')
    | st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"),
    max_size=12,
)
ID = st.text(st.sampled_from("abc07-é"), min_size=1, max_size=8)
TABLE = st.lists(st.tuples(ID, CELL, CELL), min_size=1, max_size=60)
LIMIT = st.integers(200, 2_000)
CHECKS: list[Check] = ["full", "ids", "none"]


def written(rows: Sequence[tuple[str, ...]], ending: str, quoting: Any, last: bool) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator=ending, quoting=quoting)
    writer.writerows(rows)
    text = file.getvalue()
    return (text if last else text.removesuffix(ending)).encode()


def parsed(text: bytes) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(text.decode(), newline="")) if row]


def source_of(path: Path, data: bytes, form: str, check: Check) -> PreparedSource:
    stop = threading.Event()
    given: Any = data if form == "memory" else path
    prepared = prepare(given, Reading(PROFILES, check), 2_000, stop)
    if form == "a stream":
        prepared = evolve(prepared, path=None, feed=StreamFeed(io.BytesIO(data), "stream", stop))
    return prepared.opened(stop)


def chunks_of(source: PreparedSource, limit: int, check: Check, counter: RowCounter) -> list[Chunk]:
    """Cuts a source where the row counts of all chunks differ, as far as they can."""
    feed, layout = source.feed, source.layout
    assert feed is not None
    assert layout is not None
    checker = Reading(PROFILES, check).checker(layout)
    builder, chunks = ChunkBuilder(source, limit), list[Chunk]()
    taken: set[int] = set()

    def cut(most: int, remainder: bool) -> None:
        rows = draw(most, taken, remainder=remainder) or most
        chunks.append(builder.chunk(rows))
        builder.drop(rows)
        taken.add(rows)

    for block in read_blocks(feed, layout, checker, limit - len(source.head), counter):
        builder.add(block)
        while builder.is_full:
            cut(builder.most(), False)
    while builder.rows:
        cut(builder.rows, True)
    feed.close()
    return chunks


@pytest.fixture(autouse=True, params=[True, False], ids=["with numpy", "without numpy"])
def numpy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        monkeypatch.setattr(row_edges, "marking", lambda: None)


FORMS = ["a file", "memory", "a stream"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("check", CHECKS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    table=TABLE,
    limit=LIMIT,
    ending=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    last=st.booleans(),
    mark=st.booleans(),
)
def test_all_rows_of_a_csv_come_out_of_its_chunks(
    form: str,
    check: Check,
    table: list[tuple[str, str, str]],
    limit: int,
    ending: str,
    quoting: Any,
    last: bool,
    mark: bool,
) -> None:
    if ending == "\n" and quoting == csv.QUOTE_MINIMAL:
        # Python 3.11 writes such a cell without the quotes that it needs.
        table = [(one, two.replace("\r", ""), three.replace("\r", "")) for one, two, three in table]
    rows = [("user_id", "first", "second"), *table]
    data = (b"\xef\xbb\xbf" if mark else b"") + written(rows, ending, quoting, last)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "users.csv"
        path.write_bytes(data)
        counter = RowCounter()
        chunks = chunks_of(source_of(path, data, form, check), limit, check, counter)
        texts = [content(chunk.body) for chunk in chunks]
    found = []
    for chunk, text in zip(chunks, texts, strict=True):
        header, *some = parsed(text)
        assert header == ["user_id", "first", "second"]
        assert len(text) == chunk.body.size <= limit
        assert chunk.rows == len(some) == chunk.last - chunk.first + 1
        found += some
    assert found == parsed(data.removeprefix(b"\xef\xbb\xbf"))[1:]
    assert (counter.rows, counter.rejected) == (len(table), 0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("check", CHECKS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    values=st.lists(CELL | st.integers() | st.none() | st.booleans(), min_size=1, max_size=60),
    limit=LIMIT,
    ending=st.sampled_from(["\n", "\r\n", "\n\n"]),
    ascii_only=st.booleans(),
)
def test_all_rows_of_ndjson_come_out_of_its_chunks(
    form: str,
    check: Check,
    values: list[Any],
    limit: int,
    ending: str,
    ascii_only: bool,
) -> None:
    rows = [{"user_id": str(number), "value": value} for number, value in enumerate(values)]
    lines = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
    data = (ending.join(lines) + ending).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "users.ndjson"
        path.write_bytes(data)
        counter = RowCounter()
        chunks = chunks_of(source_of(path, data, form, check), limit, check, counter)
        texts = [content(chunk.body) for chunk in chunks]
    found = []
    for chunk, text in zip(chunks, texts, strict=True):
        some = [json.loads(line) for line in text.splitlines() if line.strip()]
        assert len(text) <= limit
        assert chunk.rows == len(some)
        found += some
    assert found == rows
    assert (counter.rows, counter.rejected) == (len(rows), 0)


@settings(max_examples=200, deadline=None)
@given(table=TABLE, ending=st.sampled_from(["\n", "\r\n"]), extra=st.binary(max_size=30))
def test_the_last_edge_of_a_block_is_where_a_row_ends(
    table: list[tuple[str, str, str]], ending: str, extra: bytes
) -> None:
    table = [(one, two.replace("\r", ""), three.replace("\r", "")) for one, two, three in table]
    whole = [written([row], ending, csv.QUOTE_MINIMAL, True) for row in table]
    text = b"".join(whole)
    ends = {0, *(sum(map(len, whole[:number])) for number in range(1, len(whole) + 1))}
    for stop in range(0, len(text) + 1, 7):
        edge = last_edge(text[:stop], csv=True)
        assert edge == max(end for end in ends if end <= stop)
    assert {stop for _, stop in row_spans(text, csv=True)} == ends - {0}


@settings(max_examples=100, deadline=None)
@given(
    lines=st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), max_size=40),
    limit=st.integers(1, 200),
)
def test_ndjson_is_cut_by_seeking_back_from_the_limit(lines: list[bytes], limit: int) -> None:
    text = b"".join(line + b"\n" for line in lines)
    feed = MemoryFeed(memoryview(text), "text", threading.Event())
    cuts = list(ndjson_cuts(feed, 0, len(text), limit))
    assert b"".join(text[start:stop] for start, stop in cuts) == text
    for start, stop in cuts:
        assert text[:stop].endswith(b"\n")
        assert stop - start <= limit or text.count(b"\n", start, stop) == 1


def test_a_row_over_the_limit_is_a_rejected_row_and_the_others_go(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    long = "x\n" * 2_000
    path.write_text(f'user_id,note\n1,a\n2,"{long}"\n3,b\n')
    counter = RowCounter()
    chunks = chunks_of(source_of(path, b"", "a file", "full"), 500, "full", counter)
    assert [content(chunk.body) for chunk in chunks] == [b"user_id,note\n1,a\n3,b\n"]
    (reject,) = counter.rejects
    assert (reject.number, reject.line) == (2, 3)
    assert "at most 487 fit" in reject.reason


def test_bad_rows_leave_holes_in_the_byte_ranges_and_nothing_is_copied(tmp_path: Path) -> None:
    path = tmp_path / "users.ndjson"
    path.write_bytes(b'{"user_id": "1"}\n{"user_id": 2}\nnonsense\n{"user_id": "4"}\n')
    counter = RowCounter()
    (chunk,) = chunks_of(source_of(path, b"", "a file", "full"), 1_000_000, "full", counter)
    assert isinstance(chunk.body, FilePieces)
    assert list(chunk.body.pieces) == [(0, 17), (41, 17)]
    assert (chunk.first, chunk.last, chunk.rows) == (1, 4, 2)
    assert [(one.number, one.line, one.row) for one in counter.rejects] == [
        (2, 2, {"user_id": 2}),
        (3, 3, "nonsense"),
    ]
