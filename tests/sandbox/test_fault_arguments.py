"""Faults refuse what is none, before anything goes wrong in a way that nobody asked for."""

from __future__ import annotations

from typing import Any

import pytest

from appcues_async.sandbox import Answer, Faults, Reset


@pytest.mark.parametrize("fault", [500, "reset", None, Reset, {"kind": "reset"}])
def test_what_is_no_fault_is_refused(fault: Any) -> None:
    faults = Faults()
    with pytest.raises(TypeError, match=r"is not a fault.* must be one of Answer, Reset, Close"):
        faults.add(fault)
    assert faults.instructions == []


def test_a_status_alone_is_told_what_to_write() -> None:
    with pytest.raises(TypeError, match=r"500 is not a fault; use Answer\(500\)"):
        Faults().add(500)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [99, 1000, 0, "500", None])
def test_a_status_that_is_none_is_refused(status: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="status"):
        Answer(status)


@pytest.mark.parametrize("method", ["delete", "Delete", "DELETE"])
def test_a_method_is_written_in_any_case(method: str) -> None:
    faults = Faults()
    faults.add(Answer(500), method=method)
    assert faults.take("DELETE", "/") == Answer(500)


def test_faults_are_numbered() -> None:
    faults = Faults()
    assert [faults.add(Reset()).number for _ in range(3)] == [1, 2, 3]
    faults.clear()
    assert faults.add(Reset()).number == 1
