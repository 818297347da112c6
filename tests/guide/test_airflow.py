"""The guide's operator, in Airflow itself; the gate runs this where Airflow is installed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from appcues_async.sandbox import Sandbox
from tests.guide.pages import AIRFLOW

pytest.importorskip("airflow.triggers.base", reason="apache-airflow-core is not installed")


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The recipe as a module that workers and triggerer import."""
    (block,) = AIRFLOW
    (tmp_path / "shop_appcues.py").write_text(block.text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    yield importlib.import_module("shop_appcues")
    del sys.modules["shop_appcues"]


@pytest.fixture
def deferred(
    recipe: Any, tmp_path: Path, appcues_env: object, monkeypatch: pytest.MonkeyPatch
) -> tuple[Any, Any]:
    """An operator that has uploaded a file, and what it deferred to."""
    exceptions = importlib.import_module("airflow.sdk.exceptions")
    path = tmp_path / "users.csv"
    path.write_text("user_id,plan\n007,pro\n008,free\n", encoding="utf-8")
    operator = recipe.ImportProfiles(task_id="users", path=str(path))
    with pytest.raises(exceptions.TaskDeferred) as caught:
        operator.execute({})
    return operator, caught.value


async def event_of(trigger: Any) -> Any:
    """What a trigger says once it was serialised, and made again in another process."""
    name, fields = trigger.serialize()
    module, _, kind = name.rpartition(".")
    again = getattr(importlib.import_module(module), kind)(**fields)
    async for event in again.run():
        return event.payload
    raise AssertionError("no event")


@pytest.mark.appcues(job_seconds=0.5)
async def test_the_trigger_waits_and_the_operator_ends(
    deferred: tuple[Any, Any], appcues_sandbox: Sandbox
) -> None:
    operator, raised = deferred
    assert appcues_sandbox.sent.profiles == {}  # not before the job has ended
    event = await event_of(raised.trigger)
    assert raised.method_name == "ended"
    operator.ended({}, event)
    assert appcues_sandbox.sent.profiles == {"007": {"plan": "pro"}, "008": {"plan": "free"}}


@pytest.mark.appcues(job_seconds=0.5)
async def test_a_failed_job_fails_the_task(
    recipe: Any, tmp_path: Path, appcues_env: object, appcues_sandbox: Sandbox
) -> None:
    appcues_sandbox.fail_next_job("Broken")
    path = tmp_path / "users.csv"
    path.write_text("user_id\n007\n", encoding="utf-8")
    operator = recipe.ImportProfiles(task_id="users", path=str(path))
    tokens = await operator.upload()
    payload = await event_of(recipe.AppcuesJobs(tokens))
    with pytest.raises(RuntimeError, match="FAILED"):
        operator.ended({}, payload)
