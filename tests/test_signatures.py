"""The public signatures as they are written, and what is a coroutine."""

from __future__ import annotations

import inspect
import pydoc
import re
from collections.abc import Callable
from typing import Any

import pytest

from appcues_async import (
    AppcuesClient,
    JobHandle,
    Pace,
    PollPolicy,
    Reply,
    RetryPolicy,
    Timeouts,
)
from appcues_async.api.imports import Imports
from appcues_async.api.jobs import Jobs
from appcues_async.api.segments import Segments
from appcues_async.bulk.resource import Bulk, BulkOptions
from appcues_async.sync.resource import Sync, SyncOptions


@pytest.mark.parametrize(
    ("public", "signature"),
    [
        (
            AppcuesClient,
            "(account_id: 'str', api_key: 'str', api_secret: 'str', *, region: 'Region' = 'us', "
            "base_url: 'str | None' = None, timeouts: 'Timeouts | None' = None, "
            "retry: 'RetryPolicy | None' = None, polling: 'PollPolicy | None' = None, "
            "throttle: 'Throttle | Pace | Literal[Shared.ACCOUNT] | None' = "
            '<Shared.ACCOUNT: "the account\'s shared throttle">, '
            "on_unknown: 'OnUnknown' = 'reconcile', session: 'ClientSession | None' = None, "
            "proxy: 'str | None' = None, on_notice: 'Listener | None' = None, "
            "clock: 'Clock | None' = None) -> 'None'",
        ),
        (AppcuesClient.from_env, "(**options: 'Any') -> 'Self'"),
        (
            AppcuesClient.from_profile,
            "(name: 'str', *, path: 'Path | None' = None, **options: 'Any') -> 'Self'",
        ),
        (
            AppcuesClient.with_options,
            "(self, *, retry: 'RetryPolicy | None' = None, timeouts: 'Timeouts | None' = None, "
            "polling: 'PollPolicy | None' = None, on_unknown: 'OnUnknown | None' = None) "
            "-> 'AppcuesClient'",
        ),
        (
            AppcuesClient.request,
            "(self, method: 'str', path: 'str', *, json: 'Any' = None, "
            "query: 'Mapping[str, str] | None' = None, accept: 'str' = 'application/json') "
            "-> 'Reply'",
        ),
        (
            Imports.profiles,
            "(self, source: 'Source', *, format: 'Format | None' = None, "
            "storage_options: 'Mapping[str, Any] | None' = None, "
            "allow_ids: 'Iterable[UserId]' = ()) -> 'JobHandle'",
        ),
        (
            Imports.events,
            "(self, source: 'Source', *, format: 'Format | None' = None, "
            "storage_options: 'Mapping[str, Any] | None' = None, "
            "allow_ids: 'Iterable[UserId]' = ()) -> 'JobHandle'",
        ),
        (Segments.list, "(self) -> 'list[M]'"),
        (Segments.get, "(self, item_id: 'str', /) -> 'M'"),
        (
            Segments.create,
            "(self, name: 'str', description: 'str | None' = None) -> 'Segment'",
        ),
        (
            Segments.update,
            "(self, segment_id: 'str', *, name: 'str | None' = None, "
            "description: 'str | None' = None) -> 'Segment'",
        ),
        (Segments.delete, "(self, segment_id: 'str') -> 'None'"),
        (
            Segments.add_user_ids,
            "(self, segment_id: 'str', source: 'Source', *, format: 'Format | None' = None, "
            "storage_options: 'Mapping[str, Any] | None' = None, "
            "allow_ids: 'Iterable[UserId]' = ()) -> 'JobHandle'",
        ),
        (
            Segments.remove_user_ids,
            "(self, segment_id: 'str', source: 'Source', *, format: 'Format | None' = None, "
            "storage_options: 'Mapping[str, Any] | None' = None) "
            "-> 'JobHandle'",
        ),
        (Jobs.list, "(self) -> 'list[Job]'"),
        (Jobs.get, "(self, job_id: 'str') -> 'Job'"),
        (Jobs.resume, "(self, job: 'str') -> 'JobHandle'"),
        (
            Jobs.wait_all,
            "(self, handles: 'Iterable[JobHandle]', *, timeout: 'float | None' = None, "
            "return_failures: 'bool' = False) -> 'builtins.list[Job]'",
        ),
        (
            Jobs.as_completed,
            "(self, handles: 'Iterable[JobHandle]') -> 'AsyncIterator[JobHandle]'",
        ),
        (JobHandle.wait, "(self, timeout: 'float | None' = None) -> 'Job'"),
        (JobHandle.done, "(self) -> 'bool'"),
        (JobHandle.raise_for_failures, "(self) -> 'None'"),
        (Reply.text, "(self) -> 'str'"),
        (Reply.json, "(self) -> 'Any'"),
        (
            Timeouts,
            "(connect: 'float' = 10, idle: 'float' = 60, budget: 'float' = 60, "
            "wait: 'float' = 86400, settle: 'float' = 15, turn: 'float | None' = None) -> None",
        ),
        (
            RetryPolicy,
            "(attempts: 'int' = 5, base: 'float' = 0.5, cap: 'float' = 20, "
            "max_retry_after: 'float' = 60, outage: 'float' = 600) -> None",
        ),
        (
            PollPolicy,
            "(first: 'float' = 0.5, low: 'float' = 1, high: 'float' = 15, grace: 'float' = 5) "
            "-> None",
        ),
        (Pace, "(rate: 'float' = 50, most: 'float | None' = None) -> None"),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_a_public_signature_is_as_written(public: Callable[..., Any], signature: str) -> None:
    assert str(inspect.signature(public)) == signature


@pytest.mark.parametrize("name", ["id", "url", "token", "job"])
def test_a_handle_has_properties(name: str) -> None:
    assert isinstance(inspect.getattr_static(JobHandle, name), property)


@pytest.mark.parametrize(
    "public",
    [
        AppcuesClient.request,
        Imports.profiles,
        Imports.events,
        Segments.list,
        Segments.get,
        Segments.create,
        Segments.update,
        Segments.delete,
        Segments.add_user_ids,
        Segments.remove_user_ids,
        Jobs.list,
        Jobs.get,
        Jobs.wait_all,
        JobHandle.wait,
    ],
)
def test_what_sends_is_awaited(public: Callable[..., Any]) -> None:
    assert inspect.iscoroutinefunction(public)


@pytest.mark.parametrize("public", [AppcuesClient.with_options, Jobs.resume, JobHandle.done])
def test_what_sends_nothing_is_not_awaited(public: Callable[..., Any]) -> None:
    assert not inspect.iscoroutinefunction(public)


@pytest.mark.parametrize("shown", [Bulk, Sync, AppcuesClient, BulkOptions, SyncOptions])
def test_what_help_refers_to_can_be_shown_by_help(shown: type[Any]) -> None:
    names = re.findall(r'help\("([\w.]+)"\)', pydoc.plain(pydoc.render_doc(shown)))
    assert names
    assert all(pydoc.locate(name) is not None for name in names)
