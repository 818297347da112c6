"""The difference between a source and a state, found in SQLite as the source goes by.

Some hundreds or thousands of rows are looked up at a time. Of those that are as they were nothing is
kept but one byte; the others are listed in a table of their own, which SQLite keeps on disk.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from attrs import define
from msgspec import json

from appcues_async.sync.state import MEMBER, StateFile

__all__ = ["Counts", "Difference"]

_IN_ORDER: Final = 500
"""Rows that are looked up together, where they come in the order of ids."""
_SCATTERED: Final = 5_000
"""The same where they do not: the more, the more of them are on one page."""
_MISSES: Final = 20
"""Times in a row that rows are looked for in the order of ids in vain before that is given up."""
_CACHE: Final = 8_192
"""KiB of pages of the lists that stay in memory."""
_TABLES: Final = """
CREATE TEMP TABLE changes (
    line INTEGER PRIMARY KEY, id TEXT NOT NULL, digest BLOB NOT NULL, kind INTEGER NOT NULL
);
CREATE TEMP TABLE gone (line INTEGER PRIMARY KEY, id TEXT NOT NULL);
"""
_ADDED: Final = 0
_CHANGED: Final = 1
_IN_DOUBT: Final = 2
_NEW: Final = "new"
"""Stands for the digest of what the state does not hold."""
_KINDS: Final[Mapping[bytes | str | None, int]] = {_NEW: _ADDED, None: _IN_DOUBT}


@define
class Counts:
    """How many rows of a source are what.

    Attributes:
        duplicates: Rows whose id came again later; the last one counts.
        unchanged: Ids whose rows are as they were applied last.
        added: Ids that the state does not hold.
        changed: Ids whose rows differ from what was applied last.
        in_doubt: Ids of which it is not known whether their last rows were applied.
        gone: Ids that the state holds and the source does not.
    """

    duplicates: int = 0
    unchanged: int = 0
    added: int = 0
    changed: int = 0
    in_doubt: int = 0
    gone: int = 0

    @property
    def ids(self) -> int:
        """Ids of the source, each counted once."""
        return self.unchanged + self.added + self.changed + self.in_doubt


class Difference:
    """The difference between a source and a state."""

    def __init__(self, state: StateFile, *, full: bool = False) -> None:
        """Begins with nothing read.

        Args:
            state: What was applied last.
            full: Whether every row counts as changed.
        """
        self._state = state
        self._db = state.db
        self._full = full
        self._known = 0
        self._again = False
        self._rows = 0
        self.lines: int = 0
        self.counts: Counts = Counts()
        self._db.execute(f"PRAGMA temp.cache_size = -{_CACHE}")
        for statement in filter(str.strip, _TABLES.split(";")):
            self._db.execute(statement)
        (last,) = self._db.execute("SELECT max(number) FROM rows").fetchone()
        self._next = 0 if last is None else int(last) + 1
        self._seen = bytearray(self._next + 1)
        self._misses = 0

    def compare(self, ids: Sequence[str], digests: Sequence[bytes] | None = None) -> Sequence[int]:
        """Looks up the next rows of the source, any number of them.

        Args:
            ids: Their ids.
            digests: The digests of their content; None where there is only the id.

        Returns:
            The indexes of those that are to be sent, in their order; each is on the next line.
        """
        found: list[int] = []
        self._db.execute("BEGIN")
        start = 0
        while start < len(ids):
            stop = start + (_IN_ORDER if self._misses < _MISSES else _SCATTERED)
            content = None if digests is None else digests[start:stop]
            found += [start + index for index in self._compare(ids[start:stop], content)]
            start = stop
        self._db.execute("COMMIT")
        return found

    def _compare(self, ids: Sequence[str], digests: Sequence[bytes] | None) -> Sequence[int]:
        content = [MEMBER] * len(ids) if digests is None else digests
        found = self._look_up(ids)
        names: Sequence[str]
        held: Sequence[bytes | str | None]
        numbers: Sequence[int]
        names, held, numbers = zip(*found, strict=True) if found else ((), (), ())
        self._rows += len(ids)
        last: Mapping[str, int] | None = None
        if list(names) != ids:
            last = dict(zip(ids, range(len(ids)), strict=True))
            numbers = [number for row_id, _, number in found if row_id in last]
            known = {row_id: digest for row_id, digest, _ in found}
            held = [known.get(row_id, _NEW) for row_id in ids]
        again = self._see(numbers)
        if self._full:
            indexes = list(range(len(ids)))
        else:
            pairs = enumerate(zip(held, content, strict=True))
            indexes = [index for index, (was, now) in pairs if was != now]
        if again:
            # An earlier row may be listed; the last one takes its place.
            seen = {row_id for row_id, _, number in found if number in again}
            indexes = sorted({*indexes, *(i for i, one in enumerate(ids) if one in seen)})
        if last is not None and len(last) < len(ids):
            indexes = [index for index in indexes if last[ids[index]] == index]
        self._list(indexes, ids, content, held)
        return indexes

    def _list(
        self,
        indexes: Sequence[int],
        ids: Sequence[str],
        content: Sequence[bytes],
        held: Sequence[bytes | str | None],
    ) -> None:
        """Lists rows that are to be sent, each on the next line."""
        first = self.lines + 1
        self.lines += len(indexes)
        self._db.executemany(
            "INSERT INTO changes VALUES (?, ?, ?, ?)",
            [
                (line, ids[index], content[index], _KINDS.get(held[index], _CHANGED))
                for line, index in enumerate(indexes, first)
            ],
        )

    def _look_up(self, ids: Sequence[str]) -> list[tuple[str, bytes | None, int]]:
        """The rows of the state with these ids, maybe some others among them, in the order of ids.

        Most sources come in the order of their ids. Then the rows between the first and the last are
        few, and a stretch of the state is read in a fraction of the time of looking up each.
        """
        if self._misses < _MISSES:
            most = 2 * len(ids)
            found = self._db.execute(
                "SELECT id, digest, number FROM rows WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
                (min(ids), max(ids), most + 1),
            ).fetchall()
            if len(found) <= most:
                self._misses = 0
                return found
            self._misses += 1
        # In their order, so that one page of the file is looked at after the other.
        return self._db.execute(
            "SELECT rows.id, digest, number FROM json_each(?) AS wanted CROSS JOIN rows"
            " ON rows.id = wanted.value",
            (json.encode(sorted(set(ids))).decode(),),
        ).fetchall()

    def _see(self, numbers: Sequence[int]) -> Collection[int]:
        """Notes that these are in the source; returns those that were noted before."""
        seen = self._seen
        again = {number for number in numbers if seen[number]}
        for number in numbers:
            seen[number] = 1
        self._known += len(numbers) - len(again)
        self._again = self._again or bool(again)
        return again

    def finish(self) -> Counts:
        """Counts what was found, once the source has been read to its end."""
        db = self._db
        db.execute("CREATE INDEX temp.changes_by_id ON changes (id)")
        (distinct,) = db.execute("SELECT count(DISTINCT id) FROM changes").fetchone()
        if distinct < self.lines:
            db.execute(
                "DELETE FROM changes WHERE EXISTS (SELECT 1 FROM changes AS later"
                " WHERE later.id = changes.id AND later.line > changes.line)"
            )
        if self._again and not self._full:
            db.execute(
                "DELETE FROM changes WHERE digest = (SELECT digest FROM rows WHERE id = changes.id)"
            )
        kinds = dict(db.execute("SELECT kind, count(*) FROM changes GROUP BY kind").fetchall())
        added, changed, in_doubt = (kinds.get(kind, 0) for kind in (_ADDED, _CHANGED, _IN_DOUBT))
        self.counts = Counts(
            duplicates=self._rows - self._known - added,
            unchanged=self._known - changed - in_doubt,
            added=added,
            changed=changed,
            in_doubt=in_doubt,
            gone=self._state.count() - self._known,
        )
        return self.counts

    @property
    def has_gaps(self) -> bool:
        """Whether some lines are of rows that are not sent."""
        counts = self.counts
        return self.lines > counts.added + counts.changed + counts.in_doubt

    def dead_lines(self) -> Iterator[int]:
        """The lines of rows that are not sent, since their id came again later, in their order."""
        expected = 1
        for (line,) in self._db.execute("SELECT line FROM changes ORDER BY line"):
            yield from range(expected, line)
            expected = line + 1
        yield from range(expected, self.lines + 1)

    def close_gaps(self) -> None:
        """Numbers the lines anew, as they are without the dead ones."""
        self._db.execute("BEGIN")
        self._db.execute(
            "CREATE TEMP TABLE kept AS SELECT row_number() OVER (ORDER BY line) AS line, id, digest,"
            " kind FROM changes"
        )
        self._db.execute("DELETE FROM changes")
        self._db.execute("INSERT INTO changes SELECT * FROM kept")
        self._db.execute("DROP TABLE kept")
        self._db.execute("COMMIT")
        self.lines = self.counts.added + self.counts.changed + self.counts.in_doubt

    def list_gone(self) -> None:
        """Lists the ids that the state holds and the source does not."""
        seen = self._seen
        found = self._db.execute("SELECT id, number FROM rows")
        gone = ((row_id,) for row_id, number in found if not seen[number])
        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO gone (id) VALUES (?)", gone)
        self._db.execute("COMMIT")

    def changed_ids(self) -> Iterator[str]:
        """The ids of the rows that are to be sent, in the order of their lines."""
        yield from self._ids_of("SELECT id FROM changes ORDER BY line LIMIT ?", -1)

    def samples(self, most: int) -> dict[str, list[str]]:
        """The first ids of each kind, and of those who are gone, once they are listed."""
        question = "SELECT id FROM changes WHERE kind = ? ORDER BY line LIMIT ?"
        kinds = {"added": _ADDED, "changed": _CHANGED, "in_doubt": _IN_DOUBT}
        found = {name: list(self._ids_of(question, kind, most)) for name, kind in kinds.items()}
        return {**found, "gone": list(self.gone_ids(most))}

    def gone_ids(self, most: int = -1) -> Iterator[str]:
        """The ids that are gone, once they are listed."""
        yield from self._ids_of("SELECT id FROM gone ORDER BY line LIMIT ?", most)

    def mark(self, *, gone: bool) -> None:
        """Marks in the state, durably, that these rows are in doubt.

        Args:
            gone: Whether those that are gone are in doubt as well.
        """
        with self._state.transaction():
            # In the order of ids, which fills the pages of the table best.
            self._db.execute(
                "INSERT INTO rows (id, number, digest) SELECT id, ? + line, NULL FROM changes"
                " WHERE true ORDER BY id ON CONFLICT (id) DO UPDATE SET digest = NULL",
                (self._next,),
            )
            if gone:
                self._db.execute("UPDATE rows SET digest = NULL WHERE id IN (SELECT id FROM gone)")
            self._db.execute("UPDATE state SET source_rows = ?", (self.counts.ids,))

    def apply(self, first: int, last: int, *, job: str) -> None:
        """Writes down that rows were applied.

        Args:
            first: The line of the first.
            last: The line of the last.
            job: The token of the job that has applied them.
        """
        self._write(
            "INSERT INTO rows (id, number, digest) SELECT id, 0, digest FROM changes"
            " WHERE line BETWEEN ? AND ? ORDER BY id"
            " ON CONFLICT (id) DO UPDATE SET digest = excluded.digest",
            (first, last),
            job,
        )

    def remove(self, first: int, last: int, *, job: str) -> None:
        """Writes down that those who are gone were removed.

        Args:
            first: The line of the first.
            last: The line of the last.
            job: The token of the job that has removed them.
        """
        self._write(
            "DELETE FROM rows WHERE id IN (SELECT id FROM gone WHERE line BETWEEN ? AND ?)",
            (first, last),
            job,
        )

    def _write(self, statement: str, lines: tuple[int, int], job: str) -> None:
        with self._state.transaction():
            self._db.execute(statement, lines)
            self._state.forget_job(job)

    def _ids_of(self, question: str, *values: int) -> Iterator[str]:
        for (row_id,) in self._db.execute(question, values):
            yield row_id
