"""The options that say how sources are written, as every method takes them that reads rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypedDict

from attrs import evolve

from appcues_async.bulk.reading.prepared import Reading
from appcues_async.errors import InvalidInput
from appcues_async.rows.dialect import dialect_of
from appcues_async.rows.file_head import MEDIA, Format
from appcues_async.rows.ids import UserId
from appcues_async.rows.kinds import Kind
from appcues_async.rows.moments import Zone, zone_of
from appcues_async.rows.values import one_of

__all__ = ["ReadingOptions", "reading_of"]


class ReadingOptions(TypedDict, total=False):
    """How sources are written, where that is not as the API takes them.

    A file that is read with one of the last five is sent as NDJSON.

    Attributes:
        types: `infer` sends a column of CSV as numbers or booleans where all cells of the first block
            come back as they were; a row that has something else there is rejected.
        format: How a file is written, when its name or content does not show it.
        allow_ids: Ids that are taken although they look like none, such as `null` or `12345.0`.
        delimiter: What stands between the cells of a CSV, such as `;`; a comma when left out.
        encoding: What the text of a file is in, such as `cp1252`; UTF-8 when left out.
        id_column: The column, or the name in a row, that holds the id of its user.
        rename: The names that columns are sent under, by those that they have.
        time_zone: The zone of times that have none: a name such as `Europe/Berlin`, an offset such as
            `-04:00`, minutes, a timedelta or a tzinfo. Such times are refused when it is left out.
    """

    types: Literal["infer"] | None
    format: Format | None
    allow_ids: Iterable[UserId]
    delimiter: str | None
    encoding: str | None
    id_column: str | None
    rename: Mapping[str, str] | None
    time_zone: Zone | None


def reading_of(kind: Kind, options: ReadingOptions) -> Reading:
    """Makes of these options how sources are read.

    Args:
        kind: What their rows are.
        options: What was given; options of other kinds in it are left alone.

    Raises:
        InvalidInput: One of them cannot be.
    """
    types, written = options.get("types"), options.get("format")
    one_of("types", types, (None, "infer"))
    one_of("format", written, (None, *MEDIA))
    zone = options.get("time_zone")
    dialect = dialect_of(
        delimiter=options.get("delimiter"),
        encoding=options.get("encoding"),
        id_column=options.get("id_column"),
        rename=options.get("rename"),
    )
    if written == "ndjson" and dialect.delimiter != ",":
        raise InvalidInput(
            "format is 'ndjson', and only CSV has a delimiter; leave one of them out"
        )
    if zone is not None:
        kind = kind.with_zone(zone_of(zone))
    return evolve(Reading(kind), types=types, format=written, dialect=dialect)
