"""No secret is anywhere that a program, its logs or its trackers of errors would show it.

One client of each kind goes through successes and every kind of failure, and all that can be seen of
it is searched for the key, the secret and what encodes them.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import copy
import json
import logging
import pickle
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import quote, quote_plus

import pytest
from _pytest._io.saferepr import saferepr
from attrs import define, field
from rich.traceback import Traceback

from appcues_async import (
    AppcuesClient,
    AppcuesError,
    JobFailed,
    JobPending,
    PollPolicy,
    RetryPolicy,
    Timeouts,
)
from appcues_async.customerio import CustomerIOClient
from appcues_async.customerio.credentials import CustomerIOCredentials
from appcues_async.notices import Notice
from appcues_async.sandbox import Answer, Sandbox
from appcues_async.settings import Credentials
from appcues_async.text import Secret
from tests.conformance.calls import CALLS, Caller, settle_in
from tests.conformance.table import FAULTS
from tests.conformance.trial import fault_of

# As long as real ones, and with what each way of quoting changes.
KEY: Final = "k3y/4f9e+1c2d-11f0-9a7b-0242ac120002"
SECRET: Final = "s3cret&7d0e=1c2d?11f0-9a7b-0242ac120002"
LEGACY: Final = "l3gacy/0b1e+1c2d-11f0-9a7b-0242ac120002"
SITE_KEY: Final = "s1tekey/5c3e+1c2d-11f0-9a7b-0242ac1200"
HIDDEN: Final = {"key": KEY, "secret": SECRET, "legacy key": LEGACY, "site's key": SITE_KEY}

USER: Final = "m1ckey-the-m0use"
FAST: Final[dict[str, Any]] = {
    "retry": RetryPolicy(attempts=2, base=0.001, cap=0.001, outage=0),
    "timeouts": Timeouts(connect=0.2, idle=0.2, budget=20, settle=0.02, wait=0.1),
    "throttle": None,  # it would close its gate, and wait
}
TROUBLED: Final = (
    "client.flows.list",
    "client.segments.create",
    "client.users.update_profile",
    "client.users.track_event",
    "client.imports.events",
    "client.screenshots.download",
    "client.gdpr.delete",
    "client.activity.record",
    "cio.segments.add_customers",
)
"""One of each way that a request is made and its answer is read."""


def encodings(text: str) -> Iterator[str]:
    """What a secret looks like, plain and encoded, also where it is in the middle of something."""
    yield text
    yield quote(text, safe="")
    yield quote_plus(text)
    yield json.dumps(text)[1:-1]
    for before in range(3):
        # Base64 of a whole that it is a part of, whatever comes before and after it.
        whole = b"\0" * before + text.encode()
        encoded = base64.b64encode(whole[: len(whole) // 3 * 3]).decode()
        inner = encoded[4 if before else 0 :]
        yield inner
        yield inner.replace("+", "-").replace("/", "_")
        yield quote(inner, safe="")


NEEDLES: Final = {needle: name for name, text in HIDDEN.items() for needle in encodings(text)}
ANY: Final = re.compile("|".join(map(re.escape, NEEDLES)))


def assert_hidden(what: str, shown: str) -> None:
    """Nothing shown is a secret, in any encoding."""
    if found := ANY.search(shown):
        before = shown[max(0, found.start() - 300) : found.start()]
        pytest.fail(f"the {NEEDLES[found[0]]} is in {what}, after …{before}")


def frames_of_ours(error: BaseException) -> TracebackType | None:
    """Where a traceback leaves the tests: what their own frames hold is no concern of the package."""
    frames = error.__traceback__
    here = str(Path(__file__).parent)
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(here):
        frames = frames.tb_next
    return frames


def way_of(error: BaseException) -> tuple[object, ...]:
    """What kind of error it is, and by which way it came up."""
    group = getattr(error, "exceptions", ())
    frames = traceback.walk_tb(frames_of_ours(error))
    return (type(error), *(frame.f_code for frame, _ in frames), *map(way_of, group))


def views_of(error: BaseException) -> Iterator[tuple[str, str]]:
    """All that is shown of an error by those who write down what frames hold."""
    yield "its text", f"{error} {error!r} {error.args!r} {getattr(error, '__notes__', '')}"
    yield "its attributes", saferepr(vars(error), maxsize=None) + repr(vars(error))
    frames = frames_of_ours(error)
    told = traceback.TracebackException(type(error), error, frames, capture_locals=True)
    yield "its traceback", "".join(told.format())
    rich = Traceback.extract(type(error), error, frames, show_locals=True)
    for stack in rich.stacks:
        for frame in stack.frames:
            # Not printed: to colour the source takes a hundred times as long.
            shown = (f"{name} {node.render()}" for name, node in (frame.locals or {}).items())
            yield "its traceback by rich", "\n".join(shown)
    while frames is not None:
        for name, value in frames.tb_frame.f_locals.items():
            yield f"{name} by pytest", saferepr(value, maxsize=None)
        frames = frames.tb_next
    with contextlib.suppress(TypeError, AttributeError, pickle.PicklingError):
        yield "its pickle", pickle.dumps(error).decode("latin-1")
    for other in (error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
        if other is not None:
            yield from views_of(other)


@define
class _Collected:
    """What was seen and heard of the clients."""

    notices: list[Notice] = field(factory=list)
    errors: list[BaseException] = field(factory=list)
    things: list[object] = field(factory=list)


async def live_through_everything(sandbox: Sandbox, folder: Path) -> _Collected:
    seen = _Collected()
    client = AppcuesClient(
        **sandbox.credentials,
        **FAST,
        polling=PollPolicy(first=0, low=0.01, high=0.02, grace=0.02),
        on_notice=seen.notices.append,
    )
    cio = CustomerIOClient(**sandbox.customerio_credentials, **FAST, on_notice=seen.notices.append)
    seen.things += [client, cio, Credentials.of("1", KEY, SECRET), Address(client)]
    async with client, cio:
        for name, call in CALLS.items():
            job = await settle_in(sandbox, name)
            seen.things.append(await call(Caller(client, cio, job, sandbox, folder / "x", 5)))
        for fault in FAULTS.values():
            kind = fault["fault"]["kind"]
            if fault.get("kin") or kind.startswith("nobody") or kind == "gate shut":
                continue
            silent = kind == "stall" or fault["fault"].get("by", 0) > 0
            for name in TROUBLED[:2] if silent else TROUBLED:
                sandbox.faults.add(fault_of(fault["fault"], sandbox.url), times=None)
                caller = Caller(client, cio, "", sandbox, folder / "x", 0.05)
                await _try(seen, CALLS[name], caller)
                sandbox.faults.clear()
        await _meet_failed_jobs(seen, sandbox, client)
        seen.things += [client, cio, client.users, client.bulk, cio.segments]
    for nowhere in ("http://127.0.0.1:1", "https://127.0.0.1:1"):
        gone: dict[str, Any] = {**sandbox.credentials, "base_url": nowhere}
        async with AppcuesClient(**gone, **FAST) as lost:
            await _try(seen, CALLS["client.flows.list"], Caller(lost, cio, "", sandbox, folder, 1))
    return seen


def Address(client: AppcuesClient) -> object:  # noqa: N802 - made as the client makes it
    from appcues_async.wire.transport import Address as Made  # noqa: PLC0415

    return Made.of(client._credentials)


async def _try(seen: _Collected, call: Callable[[Caller], Any], caller: Caller) -> None:
    try:
        seen.things.append(await call(caller))
    except (AppcuesError, ExceptionGroup) as error:
        seen.errors.append(error)


async def _meet_failed_jobs(seen: _Collected, sandbox: Sandbox, client: AppcuesClient) -> None:
    row = {"user_id": USER, "plan": USER}
    sandbox.fail_next_job()
    try:
        await (await client.imports.profiles([row]))
    except JobFailed as error:
        seen.errors.append(error)
    handle = await client.imports.profiles([row])
    try:
        await handle.wait(timeout=0)
    except JobPending as error:
        seen.errors.append(error)
    seen.things += [handle, handle.token, handle.url, handle._watch.address]
    sandbox.faults.add(Answer(503), path="/import/", times=None)
    report = await client.bulk.import_profiles([row] * 10, chunk_bytes=100, on_failure="report")
    sandbox.faults.clear()
    seen.things += [report, *report.outcomes]
    seen.errors += [outcome.error for outcome in report.outcomes if outcome.error is not None]
    for attempt in (
        lambda: client.users.update_profile(USER, {"nested": [USER]}),
        lambda: client.imports.profiles([{"user_id": 7}]),
        lambda: client.gdpr.delete([USER], legacy_api_key=Secret(LEGACY + " ")),
        lambda: client.request("GET", "../2/flows"),
    ):
        try:
            await attempt()
        except AppcuesError as error:
            seen.errors.append(error)


@pytest.fixture
def account() -> Iterator[Sandbox]:
    """An account with secrets that can be told, on a loop of its own: its own logs are not ours."""
    with Sandbox(
        rate_limit=None,
        customerio_rate_limit=None,
        api_key=KEY,
        api_secret=SECRET,
        legacy_api_key=LEGACY,
        customerio_api_key=SITE_KEY,
    ) as sandbox:
        yield sandbox


# The debug mode of asyncio makes it slow, and a busy machine much slower.
@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_no_secret_is_anywhere_that_it_could_be_seen(
    account: Sandbox, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)

    async def live() -> _Collected:
        # Every callback is then logged, with what it was given.
        asyncio.get_running_loop().slow_callback_duration = 0
        return await live_through_everything(account, tmp_path)

    seen = asyncio.run(live(), debug=True)
    assert len(seen.notices) > 500
    assert len(seen.errors) > 250
    assert len(caplog.records) > 500
    for record in caplog.records:
        assert_hidden("the log", f"{record.getMessage()} {record.exc_text or ''} {record.args!r}")
    for notice in seen.notices:
        assert_hidden("a notice", f"{notice!r} {pickle.dumps(notice).decode('latin-1')}")
    ways = {way_of(error): error for error in seen.errors}
    assert len(ways) > 25
    for error in ways.values():
        for view, shown in views_of(error):
            assert_hidden(f"{type(error).__name__}, {view}", shown)
    for error in seen.errors:
        assert_hidden("an error", f"{error!r} {vars(error)!r} {error.__dict__.get('reply')!r}")
    for thing in seen.things:
        shown = f"{thing!r} {thing!s} {saferepr(thing, maxsize=None)} {thing:}"
        assert_hidden(type(thing).__name__, shown)
        try:
            pickled = pickle.dumps(thing)
        except (TypeError, AttributeError, pickle.PicklingError):
            continue
        assert_hidden(f"a pickled {type(thing).__name__}", pickled.decode("latin-1"))


def test_the_search_finds_what_it_looks_for() -> None:
    pair = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    for shown in (KEY, f"x={quote(SECRET)}", pair, f"Basic {quote(pair)}", pair[20:]):
        with pytest.raises(pytest.fail.Exception, match="is in"):
            assert_hidden("this", f"some {shown} text")


async def test_data_of_users_is_not_logged(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[Notice] = []
    async with AppcuesClient(**sandbox.credentials, **FAST, on_notice=told.append) as client:
        for fault in (None, Answer(503), Answer(400, body=f"{USER} is wrong"), Answer.html(200)):
            if fault is not None:
                sandbox.faults.add(fault, times=None)
            for attempt in (
                lambda: client.users.update_profile(USER, {USER: USER}),
                lambda: client.users.track_event(USER, USER, attributes={USER: [USER]}),
                lambda: client.imports.profiles([{"user_id": USER, "plan": USER}]),
                lambda: client.bulk.import_profiles([{"user_id": USER, "x": [USER]}, {"y": USER}]),
                lambda: client.users.get_profile(USER),
            ):
                with contextlib.suppress(AppcuesError):
                    await attempt()
            sandbox.faults.clear()
    ours = [one for one in caplog.records if one.name.startswith(("appcues_async", "aiohttp."))]
    assert not any(USER in one.getMessage() for one in ours if "access" not in one.name)
    assert told
    assert not any(USER in repr(notice) for notice in told)


# --- secrets by themselves -----------------------------------------------------------------------


@pytest.mark.parametrize("part", [slice(None, 80), slice(3, None), 0])
def test_a_part_of_a_secret_is_one_too(part: Any) -> None:
    # rich cuts long text before it asks for its repr.
    assert repr(Secret("x" * 100)[part]) == "'***'"


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_is_not_pickled(duplicate: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        duplicate(Secret(KEY))


@pytest.mark.parametrize(
    "changes",
    [
        {"region": "mars"},
        {"site_id": "a b"},
        {"site_id": None},
        {"api_key": f"{SITE_KEY} "},
        {"base_url": "http://track.customer.io"},
    ],
)
@pytest.mark.parametrize("make", [CustomerIOClient, CustomerIOCredentials.of])
def test_a_refused_site_shows_no_key(
    make: Callable[..., object], changes: Mapping[str, Any]
) -> None:
    given = {"site_id": "site", "api_key": SITE_KEY, **changes}
    with pytest.raises(AppcuesError) as caught:
        make(**given)
    for view, shown in views_of(caught.value):
        assert_hidden(view, shown)


@pytest.mark.parametrize(
    "changes",
    [
        {"region": "mars"},
        {"account_id": "a/b"},
        {"api_key": f"{KEY} "},
        {"api_secret": f"{SECRET}\n"},
        {"base_url": "http://api.appcues.com"},
        {"on_unknown": "hope"},
    ],
)
def test_a_refused_account_shows_no_key(changes: Mapping[str, Any]) -> None:
    given = {"account_id": "1", "api_key": KEY, "api_secret": SECRET, **changes}
    with pytest.raises(AppcuesError) as caught:
        AppcuesClient(**given)
    for view, shown in views_of(caught.value):
        assert_hidden(view, shown)
