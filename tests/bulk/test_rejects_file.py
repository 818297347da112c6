"""The file of rejected rows, where it cannot be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from appcues_async import InvalidInput
from appcues_async.bulk.rejects import RejectsFile


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(InvalidInput, match="is no name of a file"):
        RejectsFile(Path("rejects\0.ndjson"))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file or directory"):
        RejectsFile(tmp_path / "gone" / "rejects.ndjson")


def test_a_file_that_another_run_writes_to_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rejects.ndjson"
    first = RejectsFile(path)
    try:
        with pytest.raises(InvalidInput, match="another run is writing to"):
            RejectsFile(path)
    finally:
        first.close()
