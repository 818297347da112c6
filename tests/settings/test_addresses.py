"""A region or a base URL names one server, over https unless it is loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appcues_async.errors import InvalidInput
from appcues_async.settings import (
    origin_of,
)
from appcues_async.text import type_in_words
from tests.settings.conftest import (
    KEY,
    SECRET,
    make,
    refusal_of,
)


@pytest.mark.parametrize(
    ("region", "origin"),
    [("us", "https://api.appcues.com"), ("eu", "https://api.eu.appcues.com")],
)
def test_each_region_has_its_server(region: str, origin: str) -> None:
    assert make(region=region).origin == origin


@pytest.mark.parametrize("region", ["US", "prod-eu", "", None, 1])
def test_another_region_is_refused_and_the_message_names_both(region: Any) -> None:
    message = str(refusal_of(lambda: make(region=region)))
    assert message == f"region is {region!r}; it must be 'us' or 'eu'"


def test_a_base_url_wins_over_the_region() -> None:
    assert make(region="eu", base_url="http://127.0.0.1:1").origin == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("base_url", "origin"),
    [
        ("https://api.appcues.com", "https://api.appcues.com"),
        ("https://api.appcues.com/", "https://api.appcues.com"),
        ("https://api.appcues.com//", "https://api.appcues.com"),
        ("HTTPS://API.Appcues.com", "https://api.appcues.com"),
        ("https://api.appcues.com:443", "https://api.appcues.com"),
        ("https://api.appcues.com:", "https://api.appcues.com"),
        ("https://api.appcues.com:8443", "https://api.appcues.com:8443"),
        ("https://api.appcues.com?", "https://api.appcues.com"),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:443", "http://localhost:443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("https://[2001:DB8::1]", "https://[2001:db8::1]"),
        ("https://bücher.example", "https://bücher.example"),
    ],
)
def test_one_server_has_one_origin_however_it_is_written(base_url: str, origin: str) -> None:
    assert origin_of(base_url) == origin


@pytest.mark.parametrize(
    ("base_url", "rule"),
    [
        ("", "no http(s) address"),
        ("api.appcues.com", "no http(s) address"),
        ("//api.appcues.com", "no http(s) address"),
        ("https:///v2", "no http(s) address"),
        ("https://:443", "no http(s) address"),
        ("ftp://api.appcues.com", "no http(s) address"),
        ("https://api.appcues.com:99999", "is no address"),
        ("https://api.appcues.com:port", "is no address"),
        ("https://[::1", "is no address"),
        ("https://api.appcues.com/v2", "beyond the host"),
        ("https://api.appcues.com?x=1", "beyond the host"),
        ("https://api.appcues.com#x", "beyond the host"),
        ("https://api.appcues.com ", "holds what no host can"),
        (" https://api.appcues.com", "holds what no host can"),
        ("https://api.appcues.com\n", "holds what no host can"),
        ("https://api. appcues.com", "holds what no host can"),
        ("https://api.appcues.com\\.example.com", "holds what no host can"),
        ("https://api.appcues.com%2eexample.com", "holds what no host can"),
        ("https://api.appcues.com\u200b", "holds what no host can"),
    ],
)
def test_an_address_that_is_none_is_refused_with_the_form_it_should_have(
    base_url: str, rule: str
) -> None:
    message = str(refusal_of(lambda: origin_of(base_url)))
    assert rule in message
    assert repr(base_url) in message
    assert "give it as https://host[:port]" in message


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.appcues.com",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1.",
        "http://127.0.0.256",
        "http://127.1",
        "http://localhost.example.com",
        "http://0.0.0.0:8080",
        "http://192.168.0.1",
        "http://[::2]",
    ],
)
def test_http_is_for_loopback_only(base_url: str) -> None:
    message = str(refusal_of(lambda: origin_of(base_url)))
    assert "would send credentials unencrypted" in message
    assert "use https" in message


@pytest.mark.parametrize(
    "base_url",
    [
        f"https://{KEY}:{SECRET}@api.appcues.com",
        f"https://{KEY}@api.appcues.com",
        f"https://{KEY}:{SECRET}/@api.appcues.com",
        f"https://{KEY}:{SECRET}@[bad",
        f"{KEY}:{SECRET}@api.appcues.com",
    ],
)
def test_credentials_in_an_address_are_refused_and_not_quoted(base_url: str) -> None:
    message = str(refusal_of(lambda: origin_of(base_url)))
    assert "holds credentials" in message
    assert KEY not in message
    assert SECRET not in message


@pytest.mark.parametrize("base_url", [5, b"https://api.appcues.com", ["https://x"], Path("x")])
def test_an_address_that_is_no_text_is_refused(base_url: Any) -> None:
    message = str(refusal_of(lambda: make(base_url=base_url)))
    assert f"base_url is {type_in_words(base_url)}" in message


@given(st.text())
def test_no_text_makes_the_check_of_addresses_fail_otherwise(base_url: str) -> None:
    try:
        origin = origin_of(base_url)
    except InvalidInput:
        return
    assert origin_of(origin) == origin
