from __future__ import annotations

import csv
import io
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appcues_async.sync.digests import RowDigests, ids_of_csv, ids_of_ndjson

SALT = b"0123456789abcdef"
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=6)
VALUES = st.one_of(
    TEXT, st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.none()
)


def of_lines(*rows: dict[str, Any]) -> list[tuple[str, bytes]]:
    block = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    read = RowDigests(SALT).of_ndjson(block)
    return list(zip(read.ids, read.digests, strict=True))


def of_cells(header: list[str], *rows: list[str]) -> list[tuple[str, bytes]]:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    read = RowDigests(SALT).of_csv(text.getvalue().encode(), header)
    return list(zip(read.ids, read.digests, strict=True))


@given(st.data())
def test_cells_are_what_the_same_text_is_in_json(data: st.DataObject) -> None:
    names = data.draw(st.lists(NAMES, unique=True, max_size=5))
    names = [name for name in names if name not in {"user_id", "userId"}]
    rows = data.draw(
        st.lists(st.lists(TEXT, min_size=len(names), max_size=len(names)), min_size=1, max_size=5)
    )
    header = [*names[:2], "user_id", *names[2:]]
    cells = [[*row[:2], f" u{number} ", *row[2:]] for number, row in enumerate(rows)]
    named = [
        {
            "user_id": f"u{number}",
            **{name: cell for name, cell in zip(names, row, strict=True) if cell},
        }
        for number, row in enumerate(rows)
    ]

    assert of_cells(header, *cells) == of_lines(*named)


@given(st.dictionaries(NAMES, VALUES, max_size=5), st.randoms())
def test_the_order_of_names_and_the_name_of_the_id_say_nothing(
    attributes: dict[str, Any], chance: Any
) -> None:
    attributes = {name: one for name, one in attributes.items() if name.lower() != "userid"}
    names = list(attributes)
    chance.shuffle(names)

    one = of_lines({"user_id": "u1", **attributes})
    other = of_lines({**{name: attributes[name] for name in names}, "userId": "u1"})

    assert one == other


@given(
    st.dictionaries(st.sampled_from(["a", "b"]), VALUES),
    st.dictionaries(st.sampled_from(["a", "b"]), VALUES),
)
def test_what_differs_has_another_digest(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")

    assert (of_lines({"user_id": "u", **one}) == of_lines({"user_id": "u", **other})) is same


def test_a_null_beside_an_id_names_nobody() -> None:
    plain = of_lines({"user_id": "u1", "plan": "pro"})

    assert of_lines({"user_id": None, "userId": "u1", "plan": "pro"}) == plain
    assert of_lines({"user_id": "u1", "userId": None, "plan": "pro"}) == plain
    assert of_cells(["userId", "user_id", "plan"], ["", "u1", "pro"]) == plain


def test_rows_may_have_fewer_cells_than_the_header_and_columns_no_name() -> None:
    header = ["user_id", "", "plan", "city"]

    assert of_cells(header, ["u1", "", "pro"], ["u2", "", "", "Ulm"]) == of_lines(
        {"user_id": "u1", "plan": "pro"}, {"user_id": "u2", "city": "Ulm"}
    )


def test_a_name_with_quotes_is_a_name() -> None:
    assert of_cells(["user_id", 'a "b"'], ["u1", "x"]) == of_lines({"user_id": "u1", 'a "b"': "x"})


def test_two_states_have_other_digests() -> None:
    block = b'{"user_id":"u1","plan":"pro"}\n'

    one, other = RowDigests(SALT).of_ndjson(block), RowDigests(b"-" * 16).of_ndjson(block)

    assert one.digests != other.digests


def test_a_line_is_sent_as_it_is_compared() -> None:
    read = RowDigests(SALT).of_ndjson(b'{"plan":"pro", "userId": "u1"}\n\n{"user_id":"u2"}')

    assert read.content == [b'{"plan":"pro","user_id":"u1"}\n', b'{"user_id":"u2"}\n']


def test_ids_alone() -> None:
    assert ids_of_ndjson(b'"u1"\n"u\\u00e9"\n') == ["u1", "ué"]
    assert ids_of_csv(b'u1\n" u,2 "\n\nu3\n') == ["u1", "u,2", "u3"]


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b", "é", '"']), VALUES), max_size=6))
def test_names_that_were_met_before_change_nothing(rows: list[dict[str, Any]]) -> None:
    rows = [{"user_id": f"u{number}", **row} for number, row in enumerate(rows)]
    digests = RowDigests(SALT)

    read = [digests.of_ndjson(msgspec.json.encode(row)) for row in rows for _ in range(2)]

    alone = [of_lines(row)[0] for row in rows for _ in range(2)]
    assert [(one.ids[0], one.digests[0]) for one in read] == alone


def test_an_id_of_another_name_or_type_is_found_behind_rows_with_the_usual_one() -> None:
    digests = RowDigests(SALT)
    digests.of_ndjson(b'{"user_id":"u1","plan":"pro"}\n')

    read = digests.of_ndjson(b'{"userId":"u1","plan":"pro"}\n{"user_id":2,"plan":"pro"}\n')

    assert list(read.ids) == ["u1", "2"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("cell", ["pro", "", 'a "b", c', "two\nlines", " padded ", "\ufeff"])
def test_large_blocks_of_csv_say_what_their_rows_say(cell: str, end: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end)
    writer.writerows([cell, f"u{number}", "-" * 60] for number in range(1_200))
    block = text.getvalue().encode() + end.encode()
    header = ["plan", "user_id", "note"]

    read = RowDigests(SALT).of_csv(block, header)

    rows = [{"user_id": one, "plan": cell, "note": "-" * 60} for one in read.ids]
    told = [{name: one for name, one in row.items() if one} for row in rows]
    assert list(zip(read.ids, read.digests, strict=True)) == of_lines(*told)
    alone = [RowDigests(SALT).of_csv(line, header).digests[0] for line in read.content]
    assert alone == read.digests


def test_a_row_of_csv_is_sent_as_it_stands() -> None:
    read = RowDigests(SALT).of_csv(
        b'u1," a"\r\n\r\n"u2","two\r\nlines"\r\n  \nu3,', ["user_id", "plan"]
    )

    assert list(read.content) == [b'u1," a"\n', b'"u2","two\r\nlines"\n', b"u3,\n"]


def test_rows_with_ever_other_names_are_read() -> None:
    digests = RowDigests(SALT)
    rows = [{"user_id": "u", f"name{number}": number} for number in range(600)]
    blocks = [msgspec.json.Encoder().encode_lines(rows[at : at + 50]) for at in range(0, 600, 50)]

    read = [one for block in blocks for one in digests.of_ndjson(block).digests]

    assert read == [of_lines(row)[0][1] for row in rows]
