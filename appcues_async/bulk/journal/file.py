"""The file of a journal: made, opened, judged, and shown."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

from attrs import frozen

from appcues_async.bulk.journal.tables import TABLES
from appcues_async.errors import InvalidInput
from appcues_async.settings import fix_of_origins

__all__ = [
    "VERSION",
    "Shown",
    "as_input_errors",
    "connect",
    "keep_from_others",
    "locks_of",
    "moment_text",
    "open_existing",
    "opened_to_read",
    "read_journal",
    "stored",
]

T = TypeVar("T")

VERSION: Final = 3
"""The version of the tables."""
_APPLICATION: Final = 0x41504355
"""Marks a SQLite file as a journal: `APCU`."""
_PATIENCE: Final = 30.0
"""Seconds to wait for another process that is writing."""
_MAKING: Final = 1.0
"""Seconds that another process takes at the most to make one."""


@frozen
class Shown:
    """A journal as it can be shown to people.

    Attributes:
        about: Whose it is.
        runs: Its runs.
        chunks: Their chunks.
    """

    about: dict[str, Any]
    runs: list[dict[str, Any]]
    chunks: list[dict[str, Any]]


def connect(path: Path, *, now: float, origin: str, account_id: str) -> sqlite3.Connection:
    """Opens the file of a journal, or makes one that its owner alone may read.

    Raises:
        InvalidInput: It cannot be opened or written, is damaged or no journal, was made by a newer
            release, or belongs to another account.
    """
    with as_input_errors(path):
        if path.exists() and not path.is_file():
            what = "folder" if path.is_dir() else "device"
            raise InvalidInput(f"the journal {path} cannot be opened: it is a {what}; name a file")
        _check_names(path)
        existed = True
        with suppress(FileExistsError):
            # Made here, for the sake of its mode; SQLite gives the same to the files beside it. One
            # that exists must not be opened here: closing it would give up the locks that SQLite may
            # hold on it in this process.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            existed = False
        if existed:
            keep_from_others(path)
        # Locks are made after the journal: where there were some, an empty file has been a journal.
        was_made = existed and locks_of(path).exists()
        db = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
        try:
            if was_made:
                _check_not_emptied(path, db)
            if _is_new(path, db):
                _make(db, (secrets.token_hex(8), origin, account_id, now))
            _check(path, db, origin, account_id)
        except BaseException:
            db.close()
            raise
    return db


def keep_from_others(path: Path) -> None:
    """Takes a file from everybody but its owner and group.

    Raises:
        InvalidInput: It is another user's, and everybody may read or write it.
    """
    mode = path.stat().st_mode
    # A device is everybody's.
    if os.name == "nt" or not stat.S_ISREG(mode) or not mode & 0o007:
        return
    try:
        path.chmod(stat.S_IMODE(mode) & ~0o007)
    except PermissionError:
        raise InvalidInput(
            f"{path} is another user's file, which everybody may read or write; name a file of your own"
        ) from None


def _check_names(path: Path) -> None:
    """Makes sure that the files beside a journal can have their names.

    Raises:
        OSError: They cannot.
    """
    # The longest; SQLite would speak of a folder that may not be written to.
    with suppress(FileNotFoundError):
        path.with_name(f"{path.name}-journal").lstat()


def locks_of(path: Path) -> Path:
    """The file of the locks of a journal."""
    return path.with_name(f"{path.name}-locks")


def open_existing(path: Path) -> sqlite3.Connection:
    """Opens the file of a journal that exists, whosever it is.

    Raises:
        InvalidInput: It is damaged, no journal, or was made by another release.
    """
    db = sqlite3.connect(path, timeout=_PATIENCE)
    try:
        _check_is_journal(path, db)
        db.execute("PRAGMA synchronous = FULL")
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def opened_to_read(path: Path) -> Iterator[sqlite3.Connection]:
    """Opens the file of a journal that exists, to read it only, and closes it.

    Raises:
        InvalidInput: It cannot be read, is damaged, or no journal.
    """
    with as_input_errors(path), TemporaryDirectory(prefix="appcues-journal-") as folder:
        path.stat()
        with closing(_open_to_read(path, Path(folder))) as db:
            _check_is_journal(path, db)
            yield db


def read_journal(path: Path) -> Shown:
    """Reads what a journal holds; changes nothing, and disturbs nobody who writes it.

    Raises:
        InvalidInput: It cannot be read, is damaged, or no journal.
    """
    with opened_to_read(path) as db:
        db.row_factory = sqlite3.Row
        about, *_ = _read(db, "SELECT id, origin, account, made FROM journal")
        runs = _read(
            db,
            "SELECT r.id AS run, r.endpoint, r.sources, r.options, r.started, "
            "(SELECT max(heartbeat) FROM sessions WHERE run = r.id) AS heartbeat, "
            "(SELECT pid FROM sessions WHERE run = r.id ORDER BY id DESC) AS pid, "
            "r.chunks IS NOT NULL AS read_to_end FROM runs r ORDER BY r.id",
        )
        chunks = _read(
            db,
            "SELECT run, number AS chunk, source, first, last, rows, bytes, status, intent_at, "
            "job, completed, failed, error, candidates FROM chunks ORDER BY run, number",
        )
    for run in runs:
        run["sources"] = stored(path, run["sources"], list)
        run["options"] = stored(path, run["options"], dict)
        run["read_to_end"] = bool(run["read_to_end"])
    for chunk in chunks:
        chunk["candidates"] = stored(path, chunk["candidates"] or "[]", list)
    return Shown(about, runs, chunks)


def stored(path: Path, text: Any, kind: type[T]) -> T:
    """Reads what a column of a journal holds as JSON.

    Args:
        path: The journal.
        text: What the column holds.
        kind: What it must be.

    Raises:
        InvalidInput: It is something else, so that the journal is damaged.
    """
    try:
        value = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        value = None
    if not isinstance(value, kind):
        raise InvalidInput(_damaged(path))
    return value


@contextmanager
def as_input_errors(path: Path) -> Iterator[None]:
    """Raises what a journal's file can meet as InvalidInput, in words.

    Raises:
        InvalidInput: It met something.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise InvalidInput(_words_for(path, error)) from None
    except json.JSONDecodeError:
        raise InvalidInput(_damaged(path)) from None
    except FileNotFoundError:
        raise InvalidInput(
            f"the journal {path} cannot be opened: there is no such file or folder"
        ) from None
    except OSError as error:
        raise InvalidInput(
            f"the journal {path} cannot be opened or written: {error.strerror}; name a file in a "
            "folder of this machine that you may write to"
        ) from None


def moment_text(seconds: float) -> str:
    """A moment since 1970, as people read it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _words_for(path: Path, error: sqlite3.Error) -> str:
    # The low byte is the kind of the error, the others say more of it.
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_NOTADB:
            return f"{path} is no journal; name one, or a file that does not exist yet"
        case sqlite3.SQLITE_CORRUPT:
            return _damaged(path)
        case sqlite3.SQLITE_FULL:
            why = (
                "the disk is full; make room, and run it again: what was accepted is not sent twice"
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            why = f"another program has held it for {_PATIENCE:.0f} s; end that one first"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            why = "it, or its folder, may not be written to; name a file where you may write"
        case _:
            why = f"{error}; nothing more is sent until it can be"
    return f"the journal {path} cannot be written: {why}"


def _damaged(path: Path) -> str:
    return (
        f"the journal {path} is damaged; take it from a backup, or look at the account's jobs before "
        "you begin with another one, since that would send everything again"
    )


def _is_new(path: Path, db: sqlite3.Connection) -> bool:
    # In one statement, since another process may be making it just now.
    application, tables = db.execute(
        "SELECT application_id, (SELECT count(*) FROM sqlite_master) FROM pragma_application_id"
    ).fetchone()
    if application not in {0, _APPLICATION} or (tables and not application):
        raise InvalidInput(f"{path} is a database, but no journal; name another file")
    return not application


def _check_not_emptied(path: Path, db: sqlite3.Connection) -> None:
    # Somebody may be making it, beside the locks of another one that was taken away.
    until = time.monotonic() + _MAKING
    while _is_new(path, db):
        if time.monotonic() > until:
            raise InvalidInput(_damaged(path))
        time.sleep(0.02)


def _make(db: sqlite3.Connection, about: tuple[str, str, str, float]) -> None:
    # Takes effect in an empty file alone: an outbox gives back the room of what it has sent.
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    _switch_to_wal(db)
    db.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been quicker.
        if not db.execute("PRAGMA application_id").fetchone()[0]:
            for statement in filter(str.strip, TABLES.split(";")):
                db.execute(statement)
            db.execute("INSERT INTO journal VALUES (?, ?, ?, ?)", about)
            db.execute(f"PRAGMA user_version = {VERSION}")
            db.execute(f"PRAGMA application_id = {_APPLICATION}")
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _switch_to_wal(db: sqlite3.Connection) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # SQLite does not wait by itself for others that do the same.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _check(path: Path, db: sqlite3.Connection, origin: str, account_id: str) -> None:
    _check_version(path, db)
    _switch_to_wal(db)
    (mode,) = db.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        raise InvalidInput(
            f"the journal {path} is where SQLite cannot keep it safe (journal_mode {mode}); name a "
            "file on a disk of this machine"
        )
    db.execute("PRAGMA synchronous = FULL")
    if [row[0] for row in db.execute("PRAGMA quick_check(1)")] != ["ok"]:
        raise InvalidInput(_damaged(path))
    of_origin, of_account = db.execute("SELECT origin, account FROM journal").fetchone()
    if (of_origin, of_account) != (origin, account_id):
        raise InvalidInput(
            f"the journal {path} belongs to account {of_account} at {of_origin}, and this client acts "
            f"for {account_id} at {origin}; {fix_of_origins(of_origin, origin)}"
        )


def _check_is_journal(path: Path, db: sqlite3.Connection) -> None:
    if _is_new(path, db):
        raise InvalidInput(f"{path} is empty, and no journal")
    _check_version(path, db)


def _check_version(path: Path, db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        raise InvalidInput(
            f"the journal {path} is of version {version}, and this release knows {VERSION}; use the "
            "release that made it, or a newer one"
        )


def _open_to_read(path: Path, folder: Path) -> sqlite3.Connection:
    """Opens a journal without changing it.

    Args:
        path: Its file.
        folder: Where a copy of it may be kept.
    """
    db = None
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        if db is not None:
            db.close()
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}:
            raise
        # Readers share memory through a file beside it, which a disk that is only read does not take.
        # Nobody else writes there.
        for ending in ("", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copyfile(path.with_name(f"{path.name}{ending}"), folder / f"copy{ending}")
        db = sqlite3.connect(folder / "copy")
    return db


def _read(db: sqlite3.Connection, question: str) -> list[dict[str, Any]]:
    return [dict(row) for row in db.execute(question)]
