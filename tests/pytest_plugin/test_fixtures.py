"""The fixtures work in whatever way a project runs its tests."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest

from tests.pytest_plugin.conftest import PLUGIN, RunProject

pytest_plugins = ["pytester"]

PLAIN = """
def test_env(appcues_env, appcues_sandbox):
    asyncio.run(shop.main())
    assert appcues_sandbox.sent.profiles == {"007": {"plan": "pro"}}

def test_client(appcues_client, appcues_sandbox):
    asyncio.run(shop.sign_up(appcues_client, "007"))
    asyncio.run(shop.sign_up(appcues_client, "008"))
    assert [one["user_id"] for one in appcues_sandbox.sent.events] == ["007", "008"]

def test_a_call_is_made_outside_of_a_loop(appcues_client, appcues_sandbox):
    handle = asyncio.run(appcues_client.imports.profiles([{"user_id": "007"}]))
    assert handle.id in appcues_sandbox.jobs
    report = asyncio.run(appcues_client.bulk.import_profiles([{"user_id": "008"}]))
    assert report.ok
    with pytest.raises(AttributeError):
        asyncio.run(appcues_client.imports.profile([]))
    with pytest.raises(AttributeError):
        appcues_client.import_profiles

def test_each_test_has_its_own(appcues_sandbox):
    assert appcues_sandbox.sent.events == []
"""
ASYNC = """
{decorator}
async def test_client(appcues_client, appcues_sandbox):
    await shop.sign_up(appcues_client, "007")
    assert appcues_sandbox.sent.events == [
        {{"user_id": "007", "name": "Signed up", "attributes": {{"plan": "pro"}}}}
    ]

{decorator}
async def test_client_again(appcues_client, appcues_sandbox):
    job = await shop.import_users(appcues_client, [{{"user_id": "008"}}])
    assert job.ingestions_completed == 1
    assert appcues_sandbox.sent.profiles == {{"008": {{}}}}

{decorator}
async def test_client_in_a_with(appcues_client, appcues_sandbox):
    async with appcues_client as client:
        await shop.sign_up(client.with_options(on_unknown="raise"), "007")
    assert len(appcues_sandbox.sent.events) == 1

{decorator}
@pytest.mark.appcues(job_seconds=3600)
async def test_time_is_virtual(appcues_client, appcues_sandbox):
    handle = await appcues_client.imports.profiles([{{"user_id": "007"}}])
    assert appcues_sandbox.sent.profiles == {{}}
    appcues_sandbox.advance(3600)
    assert (await handle).status == "COMPLETED"
"""
FIXTURE = """
@{module}.fixture{arguments}
async def friends(appcues_client):
    return await appcues_client.segments.create("Friends")

{decorator}
async def test_a_fixture_uses_the_client(friends, appcues_client, appcues_sandbox):
    await (await appcues_client.segments.add_user_ids(friends.id, ["007"]))
    assert appcues_sandbox.sent.ids == {{friends.id: ["007"]}}
"""


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param((), id="one process"),
        pytest.param(("-n", "2"), id="xdist", marks=pytest.mark.long),
    ],
)
def test_in_plain_tests(run_project: RunProject, arguments: Sequence[str]) -> None:
    run_project(PLAIN, *arguments).assert_outcomes(passed=4)


@pytest.mark.parametrize(
    ("mode", "scope"),
    [
        ("auto", "function"),
        pytest.param("strict", "session", marks=pytest.mark.long),
        pytest.param("auto", "module", marks=pytest.mark.long),
        pytest.param("auto", "session", marks=pytest.mark.long),
        pytest.param("strict", "function", marks=pytest.mark.long),
        pytest.param("strict", "module", marks=pytest.mark.long),
    ],
)
def test_with_pytest_asyncio(run_project: RunProject, mode: str, scope: str) -> None:
    decorator = f"@pytest.mark.asyncio(loop_scope={scope!r})"
    tests = ASYNC.format(decorator=decorator if (mode, scope) != ("auto", "function") else "")
    more = FIXTURE.format(
        module="pytest_asyncio", arguments=f"(loop_scope={scope!r})", decorator=decorator
    )
    run_project(f"import pytest_asyncio\n{tests}{more}", f"--asyncio-mode={mode}").assert_outcomes(
        passed=5
    )


@pytest.mark.long
def test_with_anyio(run_project: RunProject) -> None:
    backend = "@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    decorator = "@pytest.mark.anyio"
    tests = ASYNC.format(decorator=decorator)
    more = FIXTURE.format(module="pytest", arguments="", decorator=decorator)
    run_project(backend + tests + more, "-p", "no:asyncio").assert_outcomes(passed=5)


@pytest.mark.long
def test_retries_take_no_time(run_project: RunProject) -> None:
    tests = """
from appcues_async.sandbox import Answer

async def test_it(appcues_client, appcues_sandbox):
    appcues_sandbox.faults.add(Answer(503), method="patch", times=3)
    async with asyncio.timeout(3):
        await shop.sign_up(appcues_client, "007")
    assert len(appcues_sandbox.requests) == 5
"""
    run_project(tests, "--asyncio-mode=auto").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        (
            "appcues(job_second=1)",
            "*marker appcues has no argument job_second; it takes rate_limit*",
        ),
        ("appcues(60)", "*marker appcues has no argument 60, without a name*"),
    ],
)
def test_a_wrong_marker_is_said(run_project: RunProject, marker: str, message: str) -> None:
    tests = f"@pytest.mark.{marker}\ndef test_it(appcues_sandbox): pass\n"
    result = run_project(tests)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])


@pytest.mark.long
def test_the_closest_marker_counts(run_project: RunProject) -> None:
    tests = """
pytestmark = pytest.mark.appcues(rate_limit=5, job_seconds=7)

@pytest.mark.appcues(rate_limit=9)
def test_it(appcues_sandbox, appcues_client):
    assert appcues_sandbox.rate_limit == 9
"""
    run_project(tests, "--strict-markers").assert_outcomes(passed=1)


def test_what_differs_is_said_in_lines(run_project: RunProject) -> None:
    tests = """
def test_events(appcues_sandbox, appcues_client):
    asyncio.run(shop.sign_up(appcues_client, "007"))
    assert appcues_sandbox.sent.events == [{"user_id": "008", "name": "Signed up", "attributes": {}}]

def test_profiles(appcues_sandbox, appcues_client):
    asyncio.run(shop.sign_up(appcues_client, "007"))
    assert {"007": {"plan": "free"}, "008": {}} == appcues_sandbox.sent.profiles
"""
    result = run_project(tests)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*what was sent is not what was expected",
            "*not sent:   {'user_id': '008', 'name': 'Signed up', 'attributes': {}}",
            "*unexpected: {'user_id': '007', 'name': 'Signed up', 'attributes': {'plan': 'pro'}}",
            "*differs:    '007': sent {'plan': 'pro'}, expected {'plan': 'free'}",
            "*not sent:   '008': {}",
        ]
    )


@pytest.mark.long
def test_calls_get_through_where_a_marker_limits_them(run_project: RunProject) -> None:
    tests = """
@pytest.mark.appcues(rate_limit=4)
async def test_it(appcues_client, appcues_sandbox):
    async with asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(appcues_client.users.update_profile(str(number), {"plan": "pro"}))
    assert len(appcues_sandbox.sent.profiles) == 6
    assert 429 in [one.status for one in appcues_sandbox.requests]
"""
    run_project(tests, "--asyncio-mode=auto").assert_outcomes(passed=1)


@pytest.mark.long
def test_aioresponses_works_and_sees_uploads_as_bytes(run_project: RunProject) -> None:
    tests = """
from appcues_async import AppcuesClient

ACCOUNT = "https://api.appcues.com/v2/accounts/1/"

async def test_it(appcues_aioresponses):
    appcues_aioresponses.get(ACCOUNT + "segments", payload=[])
    appcues_aioresponses.post(ACCOUNT + "import/profiles", status=202, payload={"job_id": "1"})
    async with AppcuesClient("1", "key", "secret") as client:
        assert await client.segments.list() == []
        await client.imports.profiles([{"user_id": "007"}, {"user_id": "008"}])
    sent = [calls[0].kwargs["data"] for calls in appcues_aioresponses.requests.values()]
    assert sent == [None, b'{"user_id":"007"}\\n{"user_id":"008"}\\n']
"""
    run_project(tests, "--asyncio-mode=auto").assert_outcomes(passed=1)


# Plugins of other packages that import aiohttp.
OTHERS = ["-p", "no:aiohttp", "-p", "no:aiointercept"]


def test_nothing_heavy_is_imported_before_a_fixture_is_used(pytester: pytest.Pytester) -> None:
    tests = """
        import sys

        def test_it():
            assert not {"aiohttp", "msgspec", "cattrs"} & sys.modules.keys()
    """
    pytester.makepyfile(tests)
    pytester.runpytest_subprocess(
        *PLUGIN, "-p", "no:aiohttp", "-p", "no:aiointercept"
    ).assert_outcomes(passed=1)


def test_the_plugin_can_be_turned_off(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(appcues_sandbox): pass")
    result = pytester.run(sys.executable, "-m", "pytest", "-p", "no:appcues_async")
    result.stdout.fnmatch_lines(["*fixture 'appcues_sandbox' not found*"])
