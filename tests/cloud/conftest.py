"""Stores in this process: one in memory, and one whose faults a test chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from appcues_async.rows import store_errors, store_reads


class ShakyStore(MemoryFileSystem):  # type: ignore[misc]
    """A store in memory that fails as a test says."""

    protocol = "shaky"
    store: dict[str, Any] = {}  # noqa: RUF012 - fsspec's own shape
    pseudo_dirs = [""]  # noqa: RUF012
    opened: list[str] = []  # noqa: RUF012
    on_open: Callable[[str], object] | None = None
    options: list[dict[str, Any]] = []  # noqa: RUF012

    def __init__(self, *args: Any, **options: Any) -> None:
        type(self).options.append(options)
        super().__init__(*args, **options)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("shaky://", "memory://")))

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode == "rb":
            type(self).opened.append(path)
            if fail := type(self).on_open:
                fail(path)
        return super()._open(path, mode=mode, **options)


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[ShakyStore]:
    """An empty store at `shaky://`, which is read in many ranges, without a pause after failures."""
    monkeypatch.setattr(store_reads, "RANGE", 1 << 16)
    monkeypatch.setattr(store_errors, "backoff", lambda *_: 0.0)
    fsspec.register_implementation("shaky", ShakyStore, clobber=True)
    made = ShakyStore()
    yield made
    ShakyStore.on_open = None
    for some in (ShakyStore.store, ShakyStore.opened, ShakyStore.options):
        some.clear()
    ShakyStore.pseudo_dirs[:] = [""]
