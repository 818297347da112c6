"""Requests over real HTTP: bytes on the wire, broken connections, and what is sent again."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from appcues_async import (
    AppcuesClient,
    BadRequest,
    ConnectionFailed,
    Delivery,
    Forbidden,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    RetryPolicy,
    ServerError,
    Throttled,
    Timeouts,
    Unauthorized,
    UnexpectedReply,
)
from appcues_async.notices import AttemptFailed, BodySent, Notice, ReplyReceived
from appcues_async.sandbox import Answer, Close, Raw, Reset, Sandbox, Stall, Truncate
from tests.api.conftest import names
from tests.conftest import SOON, arrived

EVENT = {"user_id": "007", "name": "Signed up", "timestamp": "2026-07-14T12:34:56Z"}
IMPORT_EVENTS = "/import/events$"
IMPORT_PROFILES = "/import/profiles$"


@pytest.fixture
def users_csv(tmp_path: Path) -> Path:
    """A file of 30 MB, which goes out as a multipart upload."""
    path = tmp_path / "users.csv"
    line = "user-{:08d},harriet@example.com," + "x" * 60 + "\n"
    with path.open("w") as file:
        file.write("user_id,email,note\n")
        file.writelines(line.format(number) for number in range(310_000))
    return path


def sent(sandbox: Sandbox, path_end: str) -> int:
    return sum(request.path.endswith(path_end) for request in sandbox.requests)


# --- what goes out -------------------------------------------------------------------------------


async def test_credentials_go_out_as_http_basic(sandbox: Sandbox, client: AppcuesClient) -> None:
    await client.segments.list()
    (request,) = sandbox.requests
    assert request.authorized
    assert request.status == 200


async def test_small_calls_share_a_connection(sandbox: Sandbox, client: AppcuesClient) -> None:
    for _ in range(5):
        await client.segments.list()
    assert len({request.connection for request in sandbox.requests}) == 1


async def test_what_must_not_be_sent_twice_gets_a_connection_of_its_own(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    await client.segments.list()
    await client.segments.create("one")
    await client.imports.events([EVENT])
    assert len({request.connection for request in sandbox.requests}) == 3


async def test_rows_go_out_as_ndjson_with_their_types(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    await client.imports.profiles([{"user_id": "007", "age": 7, "pro": True, "plan": None}])
    (request,) = sandbox.requests
    assert request.headers["Content-Type"] == "application/ndjson"
    assert request.body == b'{"user_id":"007","age":7,"pro":true,"plan":null}\n'


async def test_a_small_file_goes_out_as_it_is(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(b"\xef\xbb\xbfuser_id,email\r\n007,a@example.com\r\n")
    await client.imports.profiles(path)
    (request,) = sandbox.requests
    assert request.headers["Content-Type"] == "text/csv"
    assert request.headers["Content-Length"] == str(path.stat().st_size - 3)
    assert request.body == path.read_bytes()[3:], "a byte order mark would spoil the first column"


async def test_a_file_over_20_mb_goes_out_as_a_multipart_upload(
    sandbox: Sandbox, client: AppcuesClient, users_csv: Path
) -> None:
    job = await (await client.imports.profiles(users_csv))
    assert job.ingestions_completed == 310_000
    request = sandbox.requests[0]
    assert request.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert request.headers["Content-Length"] == str(request.body_bytes)


async def test_a_user_id_that_breaks_paths_reaches_the_server_as_that_id(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    for segment_id in ("a/b", "..", ".", "%2F", "é", "?", "#", " ", "x" * 300):
        with pytest.raises(NotFound):
            await client.segments.get(segment_id)
    paths = [request.path.rsplit("/", 1)[1] for request in sandbox.requests]
    assert paths[:8] == ["a%2Fb", "%2E%2E", "%2E", "%252F", "%C3%A9", "%3F", "%23", "%20"]


async def test_a_request_of_ones_own_is_below_the_account(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    reply = await client.request("get", "segments", accept="text/csv")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/csv")
    assert sandbox.requests[0].path == f"/v2/accounts/{sandbox.credentials['account_id']}/segments"


@pytest.mark.parametrize(
    "path", ["", "/segments", "../accounts", "a//b", "a/../b", "https://x.example/", "a?b=1", "a#b"]
)
async def test_a_path_that_leads_elsewhere_is_refused(
    sandbox: Sandbox, client: AppcuesClient, path: str
) -> None:
    with pytest.raises(InvalidInput, match="path is"):
        await client.request("GET", path)
    assert not sandbox.requests


# --- answers that say no -------------------------------------------------------------------------


async def test_an_error_names_status_title_and_detail(client: AppcuesClient) -> None:
    with pytest.raises(NotFound) as caught:
        await client.segments.get("nowhere")
    error = caught.value
    assert error.status == 404
    assert error.problem is not None
    assert error.problem.title == "Not Found"
    assert str(error).startswith("GET segments/{segment_id}: 404 Not Found: ")
    assert error.delivery is Delivery.REFUSED


async def test_a_wrong_key_is_unauthorized_and_asked_once(sandbox: Sandbox) -> None:
    wrong: dict[str, Any] = {**sandbox.credentials, "api_secret": "wrong"}
    async with AppcuesClient(**wrong) as client:
        with pytest.raises(Unauthorized):
            await client.segments.list()
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, BadRequest), (403, Forbidden), (429, Throttled), (500, ServerError), (503, ServerError)],
)
async def test_statuses_are_errors_of_their_own(
    sandbox: Sandbox, client: AppcuesClient, status: int, kind: type[Exception]
) -> None:
    sandbox.faults.add(Answer(status), times=None)
    with pytest.raises(kind):
        await client.segments.list()


async def test_a_web_page_from_a_proxy_is_read_as_text(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer.html(403))
    with pytest.raises(Forbidden, match="Sorry"):
        await client.segments.list()


async def test_redirects_are_refused_and_not_followed(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    async with Sandbox() as elsewhere:
        sandbox.faults.add(Answer.redirect(elsewhere.url))
        with pytest.raises(UnexpectedReply, match="redirect"):
            await client.imports.profiles([{"user_id": "007"}])
        assert not elsewhere.requests
    assert len(sandbox.requests) == 1


async def test_a_success_that_is_no_json_is_unexpected(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer.html(200), times=None)
    with pytest.raises(UnexpectedReply, match="not JSON"):
        await client.segments.list()


async def test_a_page_is_no_success_where_nothing_is_read_of_one(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer.html(200), times=None)
    with pytest.raises(UnexpectedReply, match="not an answer of the API"):
        await client.users.update_profile("007", {"plan": "pro"})
    with pytest.raises(OutcomeUnknown, match="not an answer of the API"):
        await client.users.track_event("007", "seen")
    with pytest.raises(UnexpectedReply, match="not an answer of the API"):
        await client.gdpr.delete(["007"], legacy_api_key=sandbox.legacy_api_key)


@pytest.mark.parametrize("fault", [Answer.html(200), Answer(204, body="")])
async def test_what_is_no_file_is_not_kept_as_one(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path, fault: Answer
) -> None:
    sandbox.faults.add(fault, times=None)
    with pytest.raises(UnexpectedReply):
        await client.screenshots.download("flow1", tmp_path / "flow1.zip")
    assert names(tmp_path) == []


async def test_what_is_to_be_seen_elsewhere_may_have_been_done(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer(303, body="", headers={"Location": "/"}, applied=True))
    with pytest.raises(OutcomeUnknown, match="a redirect, which is not followed"):
        await client.users.track_event("007", "seen")
    assert len(sandbox.events) == 1


async def test_an_answer_that_is_too_large_is_not_read(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer(200, body=b"[" + b" " * (17 << 20) + b"]"))
    client = client.with_options(retry=RetryPolicy(attempts=1))
    with pytest.raises(OutcomeUnknown, match="over 16,777,216 bytes"):
        await client.segments.list()


# --- what is sent again --------------------------------------------------------------------------

FAULTS = {
    "reset before the body": Reset(after="headers"),
    "reset after the body": Reset(),
    "closed after the body": Close(),
    "applied, then reset": Reset(applied=True),
    "applied, then closed": Close(applied=True),
    "applied, then 500": Answer(500, applied=True),
    "502 from a proxy": Answer.html(502),
    "a success cut short": Truncate(),
    "no http at all": Raw(b"lorem ipsum\r\n\r\n"),
    "a success that is no json": Answer.html(202, applied=True),
    "408": Answer(408),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_profiles_are_sent_again_after_any_lost_answer(
    sandbox: Sandbox, client: AppcuesClient, fault: Answer
) -> None:
    sandbox.faults.add(fault, path=IMPORT_PROFILES)
    job = await (await client.imports.profiles([{"user_id": "007", "plan": "pro"}]))
    assert job.status == "COMPLETED"
    assert sandbox.profiles["007"]["plan"] == "pro"
    assert sent(sandbox, "import/profiles") == 2


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_events_are_never_sent_again_unasked_after_a_lost_answer(
    sandbox: Sandbox, client: AppcuesClient, fault: Answer
) -> None:
    sandbox.faults.add(fault, path=IMPORT_EVENTS)
    with pytest.raises(OutcomeUnknown) as caught:
        await client.with_options(on_unknown="raise").imports.events([EVENT])
    assert caught.value.delivery is Delivery.UNKNOWN
    assert sent(sandbox, "import/events") == 1


async def test_a_segment_is_not_made_twice(sandbox: Sandbox, client: AppcuesClient) -> None:
    sandbox.faults.add(Answer(503, applied=True))
    with pytest.raises(OutcomeUnknown) as caught:
        await client.with_options(on_unknown="raise").segments.create("one")
    assert caught.value.status == 503
    assert len(sandbox.segments) == 1


async def test_resend_sends_events_again(sandbox: Sandbox, client: AppcuesClient) -> None:
    sandbox.faults.add(Reset(applied=True), path=IMPORT_EVENTS)
    await (await client.with_options(on_unknown="resend").imports.events([EVENT]))
    assert len(sandbox.events) == 2


async def test_events_are_sent_again_after_a_429(sandbox: Sandbox, client: AppcuesClient) -> None:
    sandbox.faults.add(Answer(429), path=IMPORT_EVENTS, times=3)
    await (await client.imports.events([EVENT]))
    assert len(sandbox.events) == 1


async def test_a_connection_that_was_never_made_is_tried_again(sandbox: Sandbox) -> None:
    gone: dict[str, Any] = {**sandbox.credentials, "base_url": "http://127.0.0.1:1"}
    told: list[Notice] = []
    async with AppcuesClient(**gone, retry=SOON, throttle=None, on_notice=told.append) as client:
        with pytest.raises(ConnectionFailed) as caught:
            await client.imports.events([EVENT])
    assert caught.value.delivery is Delivery.NOT_SENT
    assert [attempt.number for attempt in caught.value.attempts] == [1, 2, 3, 4, 5]
    assert caught.value.attempts[-1].delay is None
    assert sum(isinstance(notice, AttemptFailed) for notice in told) == 5


async def test_the_last_error_tells_of_every_attempt(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer(500))
    sandbox.faults.add(Reset(after="headers"))
    sandbox.faults.add(Answer(403))
    with pytest.raises(Forbidden) as caught:
        await client.segments.list()
    assert [(one.error, one.status) for one in caught.value.attempts] == [
        ("ServerError (500)", 500),
        ("OutcomeUnknown", None),
        ("Forbidden (403)", 403),
    ]


async def test_aiohttp_does_not_send_again_behind_our_back(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    once = client.with_options(retry=RetryPolicy(attempts=1))
    sandbox.faults.add(Close(), times=None)
    with pytest.raises(OutcomeUnknown):
        await once.segments.list()
    with pytest.raises(OutcomeUnknown):
        await once.segments.delete("x")
    assert len(sandbox.requests) == 2


async def test_a_delete_whose_answer_was_lost_succeeds_when_the_segment_is_gone(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    segment = await client.segments.create("one")
    sandbox.faults.add(Reset(applied=True), method="DELETE")
    await client.segments.delete(segment.id)
    assert not sandbox.segments


async def test_a_delete_of_what_never_was_is_not_found(client: AppcuesClient) -> None:
    with pytest.raises(NotFound):
        await client.segments.delete("nowhere")


async def test_a_stale_connection_does_not_fail_an_upload(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    await client.segments.list()
    sandbox.faults.add(Answer(200, body="[]", close=True))
    await client.segments.list()
    await (await client.imports.events([EVENT]))


async def test_a_half_sent_file_is_sent_again_from_its_start(
    sandbox: Sandbox, client: AppcuesClient, users_csv: Path
) -> None:
    sandbox.faults.add(Reset(after=15_000_000), path=IMPORT_PROFILES)
    job = await (await client.imports.profiles(users_csv))
    assert job.ingestions_completed == 310_000
    uploads = [one for one in sandbox.requests if one.path.endswith("import/profiles")]
    assert len(uploads) == 2
    assert uploads[0].body_bytes < 20_000_000 < uploads[1].body_bytes


async def test_a_429_that_comes_while_the_body_is_sent_is_a_429(
    sandbox: Sandbox, client: AppcuesClient, users_csv: Path
) -> None:
    sandbox.faults.add(Answer(429, after=1_000_000, close=True), path=IMPORT_PROFILES)
    job = await (await client.imports.profiles(users_csv))
    assert job.ingestions_completed == 310_000


async def test_a_file_that_changes_before_it_is_sent_again_is_not_sent(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "users.csv"
    path.write_text("user_id\n007\n")

    def meddle(notice: Notice) -> None:
        if isinstance(notice, AttemptFailed) and notice.number == 1:
            path.write_text("user_id\n008\n009\n")

    sandbox.faults.add(Reset())
    async with AppcuesClient(**sandbox.credentials, retry=SOON, on_notice=meddle) as client:
        with pytest.raises(InvalidInput, match="has changed since its upload began"):
            await client.imports.profiles(path)


# --- time ----------------------------------------------------------------------------------------


async def test_a_silent_server_is_given_up_after_the_idle_timeout(sandbox: Sandbox) -> None:
    sandbox.faults.add(Stall("headers"), times=None)
    async with AppcuesClient(
        **sandbox.credentials, timeouts=Timeouts(idle=0.05), retry=RetryPolicy(attempts=1)
    ) as client:
        with pytest.raises(OutcomeUnknown, match="no whole answer"):
            await client.imports.profiles([{"user_id": "007"}])
        with pytest.raises(OutcomeUnknown, match="no whole answer"):
            await client.segments.list()
        sandbox.faults.clear()


async def test_a_network_that_takes_nothing_is_given_up_after_the_idle_timeout(
    sandbox: Sandbox, users_csv: Path
) -> None:
    sandbox.faults.add(Stall("request"), times=None)
    async with AppcuesClient(
        **sandbox.credentials, timeouts=Timeouts(idle=0.2), retry=RetryPolicy(attempts=1)
    ) as client:
        with pytest.raises(OutcomeUnknown, match="the network took nothing"):
            await client.imports.profiles(users_csv)
        sandbox.faults.clear()


async def test_the_budget_bounds_all_attempts_of_a_call(sandbox: Sandbox) -> None:
    sandbox.faults.add(Stall("body"), times=None)
    async with AppcuesClient(
        **sandbox.credentials, timeouts=Timeouts(budget=0.2), retry=SOON
    ) as client:
        started = asyncio.get_running_loop().time()
        with pytest.raises(OutcomeUnknown):
            await client.segments.list()
        assert asyncio.get_running_loop().time() - started < 1.5
        sandbox.faults.clear()


# --- cancelling ----------------------------------------------------------------------------------


async def test_a_cancelled_upload_ends_at_once_and_leaves_no_file_open(
    sandbox: Sandbox, client: AppcuesClient, users_csv: Path
) -> None:
    sandbox.faults.add(Stall("request"))
    upload = asyncio.create_task(client.imports.profiles(users_csv))
    await arrived(sandbox)
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    sandbox.faults.clear()
    for _ in range(200):
        if not any(thread.name.startswith("appcues-read") for thread in threading.enumerate()):
            break
        await asyncio.sleep(0.005)
    assert str(users_csv) not in open_files()


def open_files() -> set[str]:
    found = set()
    for one in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing's own descriptor
            found.add(str(one.readlink()))
    return found


async def test_a_cancelled_call_gives_its_slot_back(sandbox: Sandbox) -> None:
    sandbox.faults.add(Stall("headers"), times=None)
    async with AppcuesClient(**sandbox.credentials) as client:
        for _ in range(3):
            calls = [asyncio.create_task(client.segments.list()) for _ in range(20)]
            await asyncio.sleep(0.01)
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
        sandbox.faults.clear()
        await asyncio.wait_for(client.segments.list(), 5)


# --- notices, sessions, leaving ------------------------------------------------------------------


async def test_an_upload_tells_how_far_it_is(sandbox: Sandbox, users_csv: Path) -> None:
    told: list[Notice] = []
    async with AppcuesClient(**sandbox.credentials, on_notice=told.append) as client:
        await client.imports.profiles(users_csv)
    steps = [notice for notice in told if isinstance(notice, BodySent)]
    assert [one.sent for one in steps] == sorted(one.sent for one in steps)
    assert steps[-1].sent == steps[-1].size > 20_000_000
    assert any(isinstance(notice, ReplyReceived) for notice in told)


async def test_a_listener_that_fails_disturbs_nothing(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(notice: Notice) -> None:
        raise ZeroDivisionError

    async with AppcuesClient(**sandbox.credentials, on_notice=fail) as client:
        assert await client.segments.list() == []
    assert "listener failed" in caplog.text


async def test_a_borrowed_session_is_used_and_left_open(sandbox: Sandbox) -> None:
    async with aiohttp.ClientSession() as session:
        async with AppcuesClient(**sandbox.credentials, session=session) as client:
            await client.segments.create("one")
        assert not session.closed


async def test_leaving_lets_calls_in_flight_end(sandbox: Sandbox) -> None:
    stall = Stall("headers", seconds=0.05)
    sandbox.faults.add(stall)
    async with AppcuesClient(**sandbox.credentials) as client:
        call = asyncio.create_task(client.segments.list())
        await arrived(sandbox)
    assert await call == []


async def test_a_client_that_was_left_says_so(sandbox: Sandbox) -> None:
    async with AppcuesClient(**sandbox.credentials) as client:
        pass
    with pytest.raises(RuntimeError, match="async with"):
        await client.segments.list()


async def test_a_client_can_be_opened_again(sandbox: Sandbox) -> None:
    client = AppcuesClient(**sandbox.credentials)
    for _ in range(2):
        async with client:
            await client.segments.list()
