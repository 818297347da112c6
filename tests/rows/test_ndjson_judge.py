"""Rows of NDJSON files: which are taken, which are rejected, and with what reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appcues_async.rows.kinds import EVENTS, PROFILES, USER_IDS, Kind
from appcues_async.rows.ndjson_judge import NdjsonJudge
from appcues_async.rows.verdict import BadRow, Verdict

KINDS = {"profiles": PROFILES, "events": EVENTS, "user ids": USER_IDS}


def rejected(block: bytes, kind: Kind = PROFILES) -> list[BadRow]:
    verdict = NdjsonJudge(kind, "full").judge(block, at_end=True)
    assert (verdict.size, verdict.lines) == (len(block), block.count(b"\n"))
    spans = [(0, len(block))] if verdict.spans is None else verdict.spans
    good = sum(bool(line.strip()) for a, b in spans for line in block[a:b].splitlines())
    assert good + len(verdict.bad) == verdict.rows
    return list(verdict.bad)


# --- what single rows are rejected for -----------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason"),
    {
        "NaN": (b'{"user_id":"1","x":NaN}', "the line holds NaN"),
        "Infinity": (b'{"user_id":"1","x":-Infinity}', "the line holds -Infinity"),
        "a number out of range": (b'{"user_id":"1","x":1e999}', "1e999"),
        "half an emoji": (b'{"user_id":"1","x":"hi \\ud83d"}', r"\ud83d, half of a character"),
        "the text of a dict": (b"{'user_id':'1'}", "single quotes"),
        "a comma behind the row": (b'{"user_id":"1"},', "ends with a comma"),
        "two rows on a line": (b'{"user_id":"1"} {"user_id":"2"}', "more than one row"),
        "more behind the row": (b'{"user_id":"1"} x', "goes on after its row, with 'x'"),
        "a byte order mark": (b'\xef\xbb\xbf{"user_id":"1"}', "byte order mark"),
        "another encoding": (b'{"user_id":"1","x":"\xfc"}', "not UTF-8 at byte 20"),
        "what is cut off": (b'{"user_id":"1"', "no JSON value"),
        "deep nesting": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        "the same id twice": (b'{"user_id":"1","user_id":"1"}', "user_id twice"),
        "two ids": (b'{"user_id":"1","x":1,"user_id":"2"}', "user_id twice"),
        "an id spelt in two ways": (b'{"user_id":"1","user\\u005fid":"2"}', "user_id twice"),
        "ids under both names": (
            b'{"user_id":"1","userId":null}',
            "both user_id '1' and userId None",
        ),
        "a placeholder": (b'{"user_id":"null"}', "'null', which programs write"),
        "an id that is a number": (b'{"user_id":7}', "in double quotes"),
        "no id": (b'{"plan":"pro"}', "no user_id"),
        "a nested value": (b'{"user_id":"1","x":{"a":1}}', "nested values"),
        "a list": (b'{"user_id":"1","x":[]}', "nested values"),
        "a name without a character": (b'{"user_id":"1","":1}', "text and not empty"),
        "no object": (b"[1]", "is a list"),
    }.values(),
)
def test_a_row_is_rejected_for(line: bytes, reason: str) -> None:
    (found,) = rejected(b'{"user_id":"1"}\n\n' + line + b'\n{"user_id":"2"}\n')
    assert (found.index, found.line) == (1, 2)
    assert reason in found.reason


def test_a_blank_line_does_not_make_up_for_two_rows_on_one() -> None:
    (found,) = rejected(b'{"user_id":"1"}{"user_id":"2"}\n\n')
    assert "more than one row" in found.reason


@pytest.mark.parametrize(
    "behind", [b"\n", b'{"user_id":"2"}\n', b'\n{"user_id":"2"}{"user_id":"3"}\n']
)
def test_a_row_on_two_lines_is_none(behind: bytes) -> None:
    found = rejected(b'{"user_id":"1",\n"plan":"pro"}' + behind)
    assert [one.line for one in found][:2] == [0, 1]


def test_names_of_ids_may_be_attributes_of_an_event() -> None:
    event = {"user_id": "1", "name": "Paid", "timestamp": "2026-07-14T12:34:56Z"}
    line = json.dumps({**event, "attributes": {"user_id": "2", "userId": "3"}})
    assert rejected(line.encode(), EVENTS) == []


def test_a_row_that_may_go_on_is_not_judged_yet() -> None:
    verdict = NdjsonJudge(PROFILES, "full").judge(b'{"user_id":"1"}\n{"user', at_end=False)
    assert (verdict.size, verdict.rows, list(verdict.bad)) == (16, 1, [])
    assert NdjsonJudge(PROFILES, "full").judge(b'{"user_id":"1"}', at_end=False).size == 0


def test_nothing_is_looked_at_without_a_check() -> None:
    verdict = NdjsonJudge(PROFILES, "none").judge(b"junk\n\n \r\nmore\n{", at_end=True)
    assert (verdict.rows, verdict.spans, list(verdict.bad)) == (3, None, [])


# --- by columns as one by one --------------------------------------------------------------------

PIECE = st.sampled_from(
    [
        *(b'{"user_id":"', b'{"user_id":7', b'"', b"\\", b'"}', b'",', b'"userId":"a"', b'"n":'),
        *(b"1", b"e9", b"[", b"]", b"{", b"}", b":", b" ", b"\n", b"\r\n", b'""', b",", b"\xff"),
        *(b"\\u0041", b"\\u0000", b"\\\\", b"\\ud83d", b"\xc3\xa9", b"1" * 200, b"true", b"null"),
        *(
            b'"name":"n"',
            b'"timestamp":"2026-07-14T12:34:56Z"',
            b'"user\\u005fid":"b"',
            b"-0",
            b"NaN",
        ),
    ]
)
VALUE: Any = st.recursive(
    st.text(max_size=8)
    | st.integers()
    | st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1, 2**64, 10**30, 1e308, -0.0])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none()
    | st.sampled_from(["", "[", "{", '"', "\\", 'a"b', "\\\\", "7e5", "e", '"user_id"']),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=5,
)
OBJECT = st.dictionaries(
    st.sampled_from(["user_id", "userId", "name", "timestamp", "plan", "", "attributes", 'a"b']),
    VALUE | st.sampled_from(["u-1", " ", "2026-07-14T12:34:56Z", "appcues:no", "null", "7.0"]),
    max_size=5,
)
GOOD = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(["u-1", "ü 2", "007"]),
        "name": st.sampled_from(["Paid", "n" * 127]),
        "timestamp": st.sampled_from(["2026-07-14T12:34:56Z", "2026-07-14T12:34:56.7+02:00"]),
    },
    optional={"plan": VALUE, "attributes": st.dictionaries(st.text(max_size=3), VALUE, max_size=2)},
)
LINE = (OBJECT | GOOD | VALUE).map(lambda one: json.dumps(one).encode()) | (OBJECT | GOOD).map(
    lambda one: json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode()
)


def seen(verdict: Verdict) -> Any:
    spans = verdict.spans if verdict.bad else None
    return verdict.rows, [(one.index, one.line, one.reason) for one in verdict.bad], spans


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@example(rows=[b'{"user_id":"1"}{"user_id":"2"}', b""], learn=b"")
@example(rows=[b'{"user_id":"1","user\\u005fid":"2"}'], learn=b"")
@example(
    rows=[b'{"user_id":"1","\\u007fser_id":"2"}', b'{"user_id":"1"}'], learn=b'{"user_id":"1"}'
)
@example(rows=[b'{"user_id":"1","\x7fser_id":"2"}', b'{"user_id":"1"}'], learn=b'{"user_id":"1"}')
@given(
    rows=st.lists(st.lists(PIECE, max_size=12).map(b"".join) | LINE, min_size=1, max_size=8),
    learn=st.sampled_from([b"", b'{"user_id":"1","plan":1}', b'{"userId":"1"}']),
)
def test_a_block_is_judged_by_columns_as_one_by_one(
    kind: Kind, rows: list[bytes], learn: bytes
) -> None:
    block = b"\n".join(rows) or b"\n"
    judge = NdjsonJudge(kind, "full")
    # What it learns from one block it uses for the next.
    judge.judge(learn, at_end=True)
    assert seen(judge.judge(block, at_end=True)) == seen(judge.one_by_one(block))


EVENT = b'{"user_id":"1","name":"Paid","timestamp":"2026-07-14T12:34:56Z","attributes":'


@pytest.mark.parametrize(
    ("kind", "block"),
    {
        "two rows on a line": (PROFILES, b'{"user_id":"1"}{"user_id":"2"}\n\n'),
        "a row on two lines": (PROFILES, b'{"user_id":"1",\n"plan":1}\n'),
        "both": (PROFILES, b'{"user_id":"1",\n"plan":1}{"user_id":"2"}\n'),
        "a second id": (PROFILES, b'{"user_id":"1","user_id":"1"}\n'),
        "a second id, spelt differently": (PROFILES, b'{"user_id":"1","user\\u005fid":"1"}\n'),
        "a second id under the other name": (PROFILES, b'{"user_id":"1","userId":"1"}\n'),
        "the beginning of a row within one": (
            EVENTS,
            EVENT + b'\n{"user_id":"1"}}' + EVENT + b"null}\n",
        ),
    }.values(),
)
def test_after_good_rows_one_is_found_that_the_decoder_takes(kind: Kind, block: bytes) -> None:
    good = EVENT + b'{"user_id":"2"}}\n' if kind is EVENTS else b'{"user_id":"1","plan":1}\n'
    judge = NdjsonJudge(kind, "full")
    assert not judge.judge(good * 3, at_end=False).bad
    assert judge.judge(good + block + good, at_end=True).bad
    assert seen(judge.judge(block, at_end=True)) == seen(judge.one_by_one(block))


LINES: dict[str, tuple[Kind, bytes]] = {
    "plain": (PROFILES, b'{"user_id":"u-1","seats":3,"ok":true,"none":null,"share":0.5}\n'),
    "blanks between": (PROFILES, b'{ "user_id" : "u-1" , "seats" : 3 }\n'),
    "the id at the end": (PROFILES, b'{"seats":3,"user_id":"u-1"}\n'),
    "the id under its other name": (PROFILES, b'{"userId":"u-1"}\n'),
    "text that looks like more": (
        PROFILES,
        b'{"user_id":"u-1","note":"[1e5, {\\"a\\": \\"\\"}]"}\n',
    ),
    "letters of others": (PROFILES, '{"userId":"ü-1","naïve":"é 7e"}\n'.encode()),
    "escapes": (PROFILES, b'{"user_id":"u-1","note":"caf\\u00e9 \\ud83d\\ude00\\n"}\n'),
    "empty text": (PROFILES, b'{"user_id":"u-1","note":"","last":""}\n'),
    "events": (
        EVENTS,
        b'{"user_id":"u","name":"Paid","timestamp":"2026-07-14T12:34:56Z","attributes":'
        b'{"a":1,"b":[1,2],"c":{"d":[0.5]}},"plan":{"name":"pro"}}\n',
    ),
    "ids": (USER_IDS, b'"u-1"\n'),
}


@pytest.mark.parametrize(("kind", "line"), LINES.values(), ids=LINES)
@pytest.mark.parametrize("blank", [b"", b"\n", b"\r\n"])
def test_good_rows_need_no_closer_look(
    kind: Kind, line: bytes, blank: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(*_: Any) -> None:
        raise AssertionError("looked at row by row")

    monkeypatch.setattr(NdjsonJudge, "one_by_one", look)
    verdict = NdjsonJudge(kind, "full").judge((line + blank) * 3, at_end=False)
    assert (verdict.rows, list(verdict.bad)) == (3, [])


def test_rows_may_differ_in_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NdjsonJudge, "one_by_one", None)
    judge = NdjsonJudge(PROFILES, "full")
    for block in (b'{"user_id":"1","a":1}\n{"user_id":"2","b":1}\n', b'{"user_id":"3","c":1}\n'):
        assert judge.judge(block, at_end=False).rows == block.count(b"\n")
