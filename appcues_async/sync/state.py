"""The state file of a sync: what was applied last, as ids and digests, in SQLite.

It belongs to one account and one target, and to one run at a time. A row without a digest is in doubt:
it may have been sent, and nothing says that it was applied. The next run sends it, whatever it holds.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

from attrs import frozen

from appcues_async.bulk.journal.file import keep_from_others
from appcues_async.errors import InvalidInput
from appcues_async.settings import fix_of_origins

__all__ = ["MEMBER", "StateFile", "Target", "Upload"]

VERSION: Final = 1
"""The version of the tables below."""
MEMBER: Final = b""
"""The digest of a row that is an id and nothing else."""

_APPLICATION: Final = 0x41505359
"""Marks a SQLite file as the state of a sync: `APSY`."""
_CACHE: Final = 12_288
"""KiB of pages that stay in memory; sources are seldom in the order of ids."""

_TABLES: Final = """
CREATE TABLE state (
    origin TEXT NOT NULL, account TEXT NOT NULL, target TEXT NOT NULL, salt BLOB NOT NULL,
    source_rows INTEGER
);
CREATE TABLE rows (id TEXT PRIMARY KEY, number INTEGER NOT NULL, digest BLOB) WITHOUT ROWID;
CREATE TABLE uploads (id INTEGER PRIMARY KEY, route TEXT NOT NULL, job TEXT, before TEXT);
"""


@frozen
class Target:
    """The subject of a state file.

    Attributes:
        origin: The server.
        account_id: The account.
        name: What is kept in step: `profiles`, or a segment.
    """

    origin: str
    account_id: str
    name: str


@frozen
class Upload:
    """An upload of an earlier run that may not have taken effect yet.

    Attributes:
        id: Its number in the state file.
        route: Where it went.
        job: The token of its job; None where it is not known which jobs there are.
        before: The jobs that ran before it began, which are none of these.
    """

    id: int
    route: str
    job: str | None
    before: frozenset[str]


class StateFile:
    """An open state file; used by one thread at a time."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        """Takes over an open database; see `open`."""
        self.path: Path = path
        self.db: sqlite3.Connection = db
        self.salt: bytes
        self.source_rows: int | None
        self.salt, self.source_rows = db.execute("SELECT salt, source_rows FROM state").fetchone()

    @classmethod
    def open(cls, path: Path, target: Target, *, make: bool = True) -> Self:
        """Opens a state file for one run.

        Args:
            path: The file; made where there is none, readable by its owner alone.
            target: What it must be about.
            make: Whether to make the file; without that, a new state is kept in memory.

        Raises:
            InvalidInput: Another run has it, it is about something else, or it cannot be used.
        """
        with as_input_errors(path):
            if path.is_dir():
                raise InvalidInput(f"the state {path} is a folder; name a file")
            if not path.parent.is_dir():
                raise InvalidInput(
                    f"there is no folder {path.parent} for the state {path.name}; make it, or name "
                    "another file"
                )
            db = _connect(path, make=make)
            try:
                _lock(path, db)
                _prepare(path, db, target)
                return cls(path, db)
            except BaseException:
                db.close()
                raise

    @property
    def is_first(self) -> bool:
        """Whether nothing was ever sent by this state."""
        return self.source_rows is None

    def count(self) -> int:
        """How many rows it holds, those in doubt among them."""
        (count,) = self.db.execute("SELECT count(*) FROM rows").fetchone()
        return int(count)

    def uploads(self) -> Sequence[Upload]:
        """The uploads of earlier runs that may not have taken effect yet."""
        found = self.db.execute("SELECT id, route, job, before FROM uploads ORDER BY id")
        return [
            Upload(number, route, job, frozenset(json.loads(before or "[]")))
            for number, route, job, before in found
        ]

    def begin_upload(self, route: str, before: Collection[str]) -> int:
        """Notes that jobs may be started from now on.

        Args:
            route: Where.
            before: The jobs that run already.

        Returns:
            The number of the note.
        """
        with self.transaction():
            values = (route, json.dumps(sorted(before)))
            noted = self.db.execute("INSERT INTO uploads (route, before) VALUES (?, ?)", values)
        return int(noted.lastrowid or 0)

    def end_upload(self, upload: int) -> None:
        """Notes that all jobs are known that were started.

        Args:
            upload: The number of the note.
        """
        with self.transaction():
            self.db.execute("DELETE FROM uploads WHERE id = ?", (upload,))

    def note_job(self, route: str, token: str) -> None:
        """Notes a job that was started."""
        with self.transaction():
            self.db.execute("INSERT INTO uploads (route, job) VALUES (?, ?)", (route, token))

    def end_job(self, token: str) -> None:
        """Notes that a job has ended."""
        with self.transaction():
            self.forget_job(token)

    def forget_job(self, token: str) -> None:
        """Takes a job for one that has ended, in a transaction of the caller's."""
        self.db.execute("DELETE FROM uploads WHERE job = ?", (token,))

    def forget_uploads(self, uploads: Sequence[Upload]) -> None:
        """Forgets uploads that can take no effect any more."""
        with self.transaction():
            self.db.executemany("DELETE FROM uploads WHERE id = ?", [(one.id,) for one in uploads])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Writes all of it, durably, or nothing.

        Raises:
            InvalidInput: It cannot be written.
        """
        with as_input_errors(self.path):
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.db.execute("COMMIT")
            except BaseException:
                # A full disk may have ended it already.
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Gives the file up to whoever wants it next."""
        self.db.close()


@contextmanager
def as_input_errors(path: Path) -> Iterator[None]:
    """Raises errors of a state file as InvalidInput, in words.

    Raises:
        InvalidInput: It met one.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise InvalidInput(_words_for(path, error)) from None
    except OSError as error:
        raise InvalidInput(
            f"the state {path}, or a file beside it, cannot be written: {error.strerror}; name a file "
            "in a folder that you may write to and that has room"
        ) from None


def _connect(path: Path, *, make: bool) -> sqlite3.Connection:
    name = str(path)
    if make:
        with suppress(FileExistsError):
            # Made here for the sake of its mode; SQLite gives the same to the files beside it.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        keep_from_others(path)
    elif not path.exists():
        name = ":memory:"
    return sqlite3.connect(name, timeout=0, isolation_level=None, check_same_thread=False)


def _lock(path: Path, db: sqlite3.Connection) -> None:
    """Takes the file for this connection until it is closed, or its process ends."""
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    try:
        db.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        raise InvalidInput(
            f"the state {path} is in use by another run; wait for that one to end, or give each run a "
            "state file of its own"
        ) from None
    db.execute("COMMIT")


def _prepare(path: Path, db: sqlite3.Connection, target: Target) -> None:
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA cache_size = -{_CACHE}")
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != _APPLICATION:
        if application or tables:
            raise InvalidInput(f"{path} is a database, but no state of a sync; name another file")
        _make(db, target)
        return
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        raise InvalidInput(
            f"the state {path} is of version {version}, and this release knows {VERSION}; use the "
            "release that made it, or a newer one"
        )
    if [row[0] for row in db.execute("PRAGMA quick_check(1)")] != ["ok"]:
        raise InvalidInput(_damaged(path))
    of = Target(*db.execute("SELECT origin, account, target FROM state").fetchone())
    if of != target:
        raise InvalidInput(
            f"the state {path} is of {of.name} of account {of.account_id} at {of.origin}, and this run "
            f"is for {target.name} of account {target.account_id} at {target.origin}; "
            f"{fix_of_origins(of.origin, target.origin)}"
        )


def _make(db: sqlite3.Connection, target: Target) -> None:
    db.execute("BEGIN EXCLUSIVE")
    for statement in filter(str.strip, _TABLES.split(";")):
        db.execute(statement)
    about = (target.origin, target.account_id, target.name, secrets.token_bytes(16))
    db.execute("INSERT INTO state VALUES (?, ?, ?, ?, NULL)", about)
    db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute(f"PRAGMA application_id = {_APPLICATION}")
    db.execute("COMMIT")


def _words_for(path: Path, error: sqlite3.Error) -> str:
    # The low byte is the kind of the error, the others say more of it.
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_NOTADB:
            return f"{path} is no state of a sync; name one, or a file that does not exist yet"
        case sqlite3.SQLITE_CORRUPT:
            return _damaged(path)
        case sqlite3.SQLITE_FULL:
            why = "the disk is full; make room, and run it again"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            why = "it, or its folder, may not be written to; name a file where you may write"
        case _:
            why = str(error)
    return f"the state {path} cannot be written: {why}"


def _damaged(path: Path) -> str:
    return (
        f"the state {path} is damaged; take it from a backup, or begin with another file, which sends "
        "every row again"
    )
