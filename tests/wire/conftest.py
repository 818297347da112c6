"""What the tests of the wire share."""

from __future__ import annotations

from pathlib import Path

import pytest

from appcues_async.sandbox import Sandbox

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
