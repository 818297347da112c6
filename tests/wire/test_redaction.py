"""A server that echoes what it was sent shows nobody the credentials, and links lead nowhere."""

from __future__ import annotations

import base64
import json
import logging
import pickle
import traceback
from typing import Any, Final
from urllib.parse import quote

import pytest

from appcues_async import AppcuesClient, AppcuesError, RetryPolicy
from appcues_async.sandbox import Answer, Sandbox
from tests.conftest import SOON

KEY: Final = "4f???c2d-11f0/9a7b?0242ac120002"
SECRET: Final = "7d0e1c2d-11f0>9a7b~0242ac120003"
TOKEN: Final = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
LINK: Final = "https://files.example.com/x?X-Amz-Signature=feedface"
ECHOES: Final = {
    "the header": f"Authorization: Basic {TOKEN}",
    "the token": TOKEN,
    "the key": f"{KEY} is no key",
    "the secret": f"{SECRET} is no secret",
    "JSON of PHP": TOKEN.replace("/", "\\/"),
    "a query": f"?auth={quote(TOKEN, safe='')}&key={quote(KEY, safe='')}",
}


def shown(error: BaseException) -> str:
    """All that a program or a log would show of it."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [frame for frame in told.stack if "/tests/" not in frame.filename]
    values = "".join(f"{frame.locals}" for frame in frames)
    return f"{error} {vars(error)!r} {values} {pickle.dumps(error).decode('latin-1')}"


@pytest.mark.parametrize("status", [200, 302, 400, 401, 500])
@pytest.mark.parametrize("what", ECHOES)
@pytest.mark.parametrize("place", ["title", "detail", "text", "header"])
async def test_credentials_that_are_echoed_are_taken_out(
    sandbox: Sandbox, what: str, status: int, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "appcues_async")
    echo = ECHOES[what]
    body = "[1, " if place == "header" else echo if place == "text" else json.dumps({place: echo})
    headers = {"X-Echo": echo} if place == "header" else {}
    sandbox.faults.add(Answer(status, body=body, headers=headers), times=None)
    given: dict[str, Any] = {**sandbox.credentials, "api_key": KEY, "api_secret": SECRET}
    async with AppcuesClient(**given, retry=RetryPolicy(attempts=1), throttle=None) as client:
        with pytest.raises(AppcuesError) as caught:
            await client.flows.list()
    everything = shown(caught.value) + caplog.text
    for one in (KEY, SECRET, TOKEN, quote(TOKEN, safe=""), quote(KEY, safe="")):
        assert one not in everything


@pytest.mark.parametrize("status", [302, 400, 500])
@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"title": "expired", "detail": f"see {LINK}"}),
        json.dumps({"title": LINK}),
        json.dumps({"message": {"title": "no", "description": LINK}}),
        json.dumps({"meta": {"errors": [LINK]}}),
        f"<Error>{LINK}</Error>",
    ],
)
async def test_a_link_in_a_problem_leads_nowhere(
    sandbox: Sandbox, client: AppcuesClient, status: int, body: str
) -> None:
    sandbox.faults.add(Answer(status, body=body, headers={"Location": LINK}), times=None)
    with pytest.raises(AppcuesError) as caught:
        await client.with_options(retry=SOON).flows.list()
    assert "feedface" not in shown(caught.value)
    assert "feedface" not in repr(caught.value.problem)


async def test_what_a_server_says_cannot_steer_a_terminal(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    body = json.dumps({"title": "\x1b[2J\x9b31m", "detail": "\u202eno\nERROR forged"})
    sandbox.faults.add(Answer(400, body=body))
    with pytest.raises(AppcuesError) as caught:
        await client.flows.list()
    assert str(caught.value).isprintable()
