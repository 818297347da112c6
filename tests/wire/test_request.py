"""A request as a value: an id reaches the server as that id, a body is a recipe, nothing shows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from appcues_async.errors import InvalidInput
from appcues_async.text import Secret, type_in_words
from appcues_async.wire.request import (
    CSV,
    JSON,
    NDJSON,
    Blocks,
    Body,
    Endpoint,
    FileRange,
    Lane,
    Multipart,
    Repeat,
    Request,
    Server,
    quote_part,
    stamp_of,
)

GET = Endpoint("GET", "users/{user_id}/profile")
ROWS = Blocks((b'"007"\n', b'"008"\n'), NDJSON)


# --- ids in paths --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user_id", "part"),
    [
        ("007", "007"),
        ("-LQA2aYxavNXfyzm9mtP", "-LQA2aYxavNXfyzm9mtP"),
        ("a.b_c~d-e", "a.b_c~d-e"),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("a b+c", "a%20b%2Bc"),
        ("a;b=c&d,e:f@g!$'()*", "a%3Bb%3Dc%26d%2Ce%3Af%40g%21%24%27%28%29%2A"),
        ("a\\b", "a%5Cb"),
        ("é", "%C3%A9"),
        ("\U0001f600", "%F0%9F%98%80"),
        ("\u2028", "%E2%80%A8"),
        ("{user_id}", "%7Buser_id%7D"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("...", "..."),
        ("../..", "..%2F.."),
        (" ", "%20"),
        ("x" * 300, "x" * 300),
    ],
)
def test_an_id_is_quoted_with_nothing_left_safe(user_id: str, part: str) -> None:
    assert quote_part("user_id", user_id) == part


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1))
def test_what_a_server_unquotes_is_the_id(user_id: str) -> None:
    path = GET.request(user_id=user_id).path
    first, quoted, last = path.split("/")
    assert (first, unquote(quoted), last) == ("users", user_id, "profile")


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1))
def test_no_id_leads_anywhere_else(user_id: str) -> None:
    url = URL("https://api.appcues.com/v2/" + GET.request(user_id=user_id).path, encoded=True)
    assert url.host == "api.appcues.com"
    assert url.parts[:3] == ("/", "v2", "users")
    assert len(url.raw_parts) == 5
    assert url.query_string == url.fragment == ""


@given(st.text())
def test_no_text_makes_quoting_fail_otherwise(user_id: str) -> None:
    try:
        assert quote_part("user_id", user_id).isascii()
    except InvalidInput:
        assert not user_id.isprintable() or not user_id


@pytest.mark.parametrize("user_id", [7, None, b"7", True, 7.0, UUID(int=7), ["7"]])
def test_an_id_that_is_no_text_is_refused_with_an_example(user_id: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        quote_part("user_id", user_id)
    assert str(caught.value) == (
        f"user_id is {user_id!r}, {type_in_words(user_id)}; ids are text, such as '007'"
    )


def test_an_empty_id_is_refused() -> None:
    with pytest.raises(InvalidInput, match="segment_id is empty; the API needs an id here"):
        quote_part("segment_id", "")


@pytest.mark.parametrize("user_id", ["a\nb", "7\r\n", "\x00", "\x1f", "\x7f", "é\n"])
def test_an_id_with_a_control_character_is_refused_with_what_to_do(user_id: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        quote_part("segment_id", user_id)
    assert str(caught.value) == (
        f"segment_id is {user_id!r}; an id holds no control characters: strip it"
    )


def test_a_user_may_be_called_anything_and_still_be_found() -> None:
    assert quote_part("user_id", "a\nb\0\x7f") == "a%0Ab%00%7F"


def test_an_id_that_utf_8_cannot_hold_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        quote_part("user_id", "caf\udce9")
    assert str(caught.value) == (
        "user_id is 'caf\\udce9', which no server can read as UTF-8; "
        "decode it anew from where it came"
    )


def test_one_id_cannot_stand_in_for_another() -> None:
    endpoint = Endpoint("GET", "a/{first}/b/{second}")
    assert endpoint.request(first="{second}", second="2").path == "a/%7Bsecond%7D/b/2"


# --- queries -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "path"),
    [
        (None, "jobs"),
        ({}, "jobs"),
        ({"limit": "50"}, "jobs?limit=50"),
        ({"time_zone": "-04:00", "x": "a b&c"}, "jobs?time_zone=-04%3A00&x=a+b%26c"),
    ],
)
def test_query_parameters_are_encoded(query: dict[str, str] | None, path: str) -> None:
    assert Endpoint("GET", "jobs").request(query=query).path == path


@given(st.dictionaries(st.text(min_size=1), st.text(min_size=1), min_size=1))
def test_what_a_server_parses_is_the_query(query: dict[str, str]) -> None:
    path = Endpoint("GET", "jobs").request(query=query).path
    assert parse_qsl(path.removeprefix("jobs?"), strict_parsing=True) == list(query.items())


@pytest.mark.parametrize("query", [{"x": "\ud800"}, {"\ud800": "x"}])
def test_a_query_that_utf_8_cannot_hold_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        Endpoint("GET", "jobs").request(query=query)
    assert str(caught.value) == (
        "the query holds '\\ud800', which no server can read as UTF-8; "
        "decode it anew from where it came"
    )


# --- endpoints -----------------------------------------------------------------------------------


def test_an_endpoint_is_a_call_to_the_api_that_is_safe_to_repeat_unless_it_says_otherwise() -> None:
    assert (GET.repeat, GET.lane, GET.server) == (Repeat.SAFE, Lane.CALL, Server.API)


def test_a_request_asks_for_json_unless_it_says_otherwise() -> None:
    assert GET.request(user_id="7").accept == "application/json"
    assert GET.request(user_id="7", accept=CSV).accept == "text/csv"


# --- bodies --------------------------------------------------------------------------------------


def test_a_range_of_a_file_is_of_the_size_that_it_says(tmp_path: Path) -> None:
    assert FileRange(tmp_path, 3, 40, CSV, (43, 1)).size == 40


def test_blocks_count_their_bytes() -> None:
    assert ROWS.size == 12
    assert Blocks((), NDJSON).size == 0


@pytest.mark.parametrize(
    ("body", "content_type", "size"),
    [
        (None, None, 0),
        (b'{"name":"x"}', "application/json", 12),
        (b"", "application/json", 0),
        (ROWS, "application/ndjson", 12),
        (FileRange(Path("/x"), 3, 40, CSV, (43, 1)), "text/csv", 40),
    ],
)
def test_a_request_has_the_type_and_size_of_its_body(
    body: Body | None, content_type: str | None, size: int
) -> None:
    request = Endpoint("POST", "import/profiles").request(body)
    assert (request.content_type, request.size) == (content_type, size)


class TestMultipart:
    def test_it_is_a_form_of_one_part_named_file(self) -> None:
        form = Multipart(ROWS, "user-ids.ndjson", boundary="XYZ")
        assert form.head + b"".join(ROWS.blocks) + form.tail == (
            b"--XYZ\r\n"
            b'Content-Disposition: form-data; name="file"; filename="user-ids.ndjson"\r\n'
            b"Content-Type: application/ndjson\r\n"
            b"\r\n"
            b'"007"\n"008"\n'
            b"\r\n--XYZ--\r\n"
        )

    def test_its_size_is_that_of_all_its_bytes(self) -> None:
        form = Multipart(ROWS, "user-ids.ndjson")
        assert form.size == len(form.head) + 12 + len(form.tail)

    def test_its_type_names_the_boundary(self) -> None:
        request = Endpoint("POST", "x").request(Multipart(ROWS, "a.csv", boundary="XYZ"))
        assert request.content_type == "multipart/form-data; boundary=XYZ"

    def test_no_two_have_the_same_boundary(self) -> None:
        boundaries = {Multipart(ROWS, "a.csv").boundary for _ in range(100)}
        assert len(boundaries) == 100

    def test_its_boundary_stays_the_same_for_every_attempt(self) -> None:
        form = Multipart(ROWS, "a.csv")
        assert form.head == form.head
        assert form.boundary in form.content_type


def test_the_stamp_of_a_file_is_that_of_its_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(b"user_id\n")
    with path.open("rb") as file:
        assert stamp_of(path) == stamp_of(file.fileno()) == (8, path.stat().st_mtime_ns)


def test_the_stamp_of_a_file_tells_that_it_was_written_to(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(b"user_id\n")
    before = stamp_of(path)
    path.write_bytes(b"user_iD\n")
    os.utime(path, ns=(0, before[1] + 1))
    assert stamp_of(path) != before


# --- nothing shows -------------------------------------------------------------------------------


def test_a_request_is_named_by_its_route_without_ids() -> None:
    request = GET.request(user_id="harriet@example.com", query={"email": "harriet@example.com"})
    assert str(request) == "GET users/{user_id}/profile"


@pytest.mark.parametrize("body", [b'{"a": "harriet"}', Blocks((b"harriet",), CSV), None])
def test_a_request_shows_no_id_no_body_and_no_authorization(body: Body | None) -> None:
    request = attrs.evolve(
        GET.request(body, user_id="harriet"), authorization=Secret("Bearer harriet")
    )
    assert "harriet" not in repr(request)


@pytest.mark.parametrize("value", [GET, GET.request(user_id="7"), ROWS, Multipart(ROWS, "a")])
def test_what_describes_a_request_does_not_change(value: Any) -> None:
    name = attrs.fields(type(value))[0].name
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(value, name, None)


def test_an_upload_and_a_download_are_transfers_and_a_call_is_none() -> None:
    upload = Endpoint("POST", "import/events", lane=Lane.UPLOAD).request(ROWS)
    download = Request(GET, "x", save_to=Path("/x"))
    assert [one.is_transfer for one in (upload, download, Request(GET, "x", b"", JSON))] == [
        True,
        True,
        False,
    ]
