from __future__ import annotations

import csv
import io
from typing import Any

import msgspec
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
