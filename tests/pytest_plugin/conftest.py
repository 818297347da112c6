"""A project of somebody who uses this package, with tests of its own."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TypeAlias

import pytest

# A checkout that was installed before the plugin was there does not announce it.
_ANNOUNCED = any(one.name == "appcues_async" for one in entry_points(group="pytest11"))
PLUGIN = [] if _ANNOUNCED else ["-p", "appcues_async.pytest_plugin"]

# A session that is left open, or a thread that ends in an error, fails its tests.
_SETTINGS = """
[tool.pytest.ini_options]
asyncio_default_fixture_loop_scope = "function"
filterwarnings = ["error", "ignore:Unknown config option"]
"""

RunProject: TypeAlias = Callable[..., pytest.RunResult]


@pytest.fixture
def run_project(pytester: pytest.Pytester) -> RunProject:
    """Runs tests as a file of a project of their own, in a process of its own."""

    def run(tests: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyprojecttoml(_SETTINGS)
        pytester.makepyfile(shop=SHOP)
        pytester.makepyfile(test_shop="import asyncio, pytest, shop\n" + tests)
        return pytester.runpytest_subprocess(*PLUGIN, "-p", "no:cacheprovider", *arguments)

    return run


SHOP = '''
"""The program under test."""

from appcues_async import AppcuesClient


async def sign_up(client, user_id, plan="pro"):
    await client.users.update_profile(user_id, {"plan": plan})
    await client.users.track_event(user_id, "Signed up", attributes={"plan": plan})


async def import_users(client, users):
    return await (await client.imports.profiles(users))


async def main():
    async with AppcuesClient.from_env() as client:
        await sign_up(client, "007")
'''
