"""Account ids, keys and secrets are checked, and become HTTP Basic."""

from __future__ import annotations

from typing import Any

import pytest

from tests.settings.conftest import (
    KEY,
    SECRET,
    make,
    refusal_of,
)


@pytest.mark.parametrize("account_id", ["123", "a-B_9", "x" * 128])
def test_account_ids_are_taken_as_they_are(account_id: str) -> None:
    assert make(account_id=account_id).account_id == account_id


@pytest.mark.parametrize("account_id", ["", "a/b", "..", "a b", "é", "1\n", "x" * 129, 123, None])
def test_an_account_id_that_could_lead_elsewhere_is_refused(account_id: Any) -> None:
    message = str(refusal_of(lambda: make(account_id=account_id)))
    assert f"account_id is {account_id!r}; it must be text of letters, digits" in message
    assert "Appcues Studio" in message


@pytest.mark.parametrize("name", ["api_key", "api_secret"])
@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("", "is empty; create a key"),
        ("two words", "holds a space, a line break or a control character"),
        ("line\n", "holds a space, a line break or a control character"),
        ("\tx", "holds a space, a line break or a control character"),
        ("x\x00", "holds a space, a line break or a control character"),
        (None, "is a NoneType; it must be text"),
        (12345, "is an int; it must be text"),
        (b"bytes", "is a bytes; it must be text"),
    ],
)
def test_a_malformed_key_or_secret_is_refused_and_not_quoted(
    name: str, value: Any, rule: str
) -> None:
    message = str(refusal_of(lambda: make(**{name: value})))
    assert message.startswith(f"{name} {rule}")
    assert not value or str(value) not in message


def test_a_key_and_secret_in_one_are_refused_with_how_to_give_them() -> None:
    message = str(refusal_of(lambda: make(api_key=f"{KEY}:{SECRET}")))
    assert message == "api_key holds ':'; give key and secret apart, as api_key and api_secret"


def test_a_secret_may_hold_a_colon() -> None:
    assert make(api_secret="a:b").authorization == "Basic azN5LW9mLW1pbmU6YTpi"


def test_the_authorization_is_http_basic() -> None:
    credentials = make(api_key="Aladdin", api_secret="opensesame")
    assert credentials.authorization == "Basic QWxhZGRpbjpvcGVuc2VzYW1l"


def test_the_authorization_is_of_utf_8() -> None:
    credentials = make(api_key="test", api_secret="123£")
    assert credentials.authorization == "Basic dGVzdDoxMjPCow=="
