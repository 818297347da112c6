"""Ids in paths: each reaches the server as that id, and what no path can hold is refused."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.sandbox import Sandbox

ANY_ID = st.text(min_size=1, max_size=300)


@given(user_id=ANY_ID)
@example("a/b")
@example("..")
@example(".")
@example("%2F")
@example("%2E%2E")
@example("é")
@example("?")
@example("#")
@example(" ")
@example("a\nb")
@example("+")
@example("{account_id}")
@example("x" * 300)
@example("é" * 300)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_text_reaches_the_server_as_that_id(
    sandbox: Sandbox, client: AppcuesClient, user_id: str
) -> None:
    sandbox.reset()
    await client.users.update_profile(user_id, {"plan": "pro"}, allow_ids={user_id})
    assert sandbox.profiles == {user_id: {"plan": "pro"}}
    assert await client.users.get_profile(user_id) == {"plan": "pro"}


@pytest.mark.parametrize("user_id", ["", "a\nb", "\0", "\x7f", "\ud800", 7.0, None])
async def test_what_is_no_id_is_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, user_id: str
) -> None:
    with pytest.raises(InvalidInput, match="user_id is"):
        await client.users.update_profile(user_id, {"plan": "pro"})
    assert not sandbox.requests
