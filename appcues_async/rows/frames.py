"""Data frames of any make, a few rows at a time, with the values that their user sees.

All makes share one door, the Arrow C stream. Frames of pandas do not go through it as a whole: it would
make a column of every index, and refuses columns of Python's own objects that hold more than one type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Protocol

from attrs import frozen

from appcues_async.errors import InvalidInput
from appcues_async.rows.dialect import PLAIN, Dialect, joined, options_for, with_options
from appcues_async.rows.kinds import USER_ID, Kind
from appcues_async.rows.values import Unreadable, shown
from appcues_async.text import type_in_words

__all__ = ["Frame", "FrameSlice", "is_frame", "slices_of_frame"]

_BEYOND: Final = Unreadable("a time that Python cannot hold; give it as text, or leave it out")
_KNOWN: Final = frozenset({"arrow.uuid", "arrow.json", "arrow.bool8"})
"""Extension types whose values are what their user sees."""


class Frame(Protocol):
    """A frame of polars, pandas, pyarrow, duckdb and others."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Hands out its batches."""
        ...


@frozen
class FrameSlice:
    """Some rows of a frame, column by column.

    Attributes:
        columns: The values of each column, as Python's own.
        size: Bytes that they take in the frame, about.
    """

    columns: Sequence[Sequence[Any]]
    size: int


def is_frame(source: object) -> bool:
    """Whether it hands out Arrow batches, as polars, pandas, pyarrow and duckdb do."""
    return callable(getattr(source, "__arrow_c_stream__", None))


def slices_of_frame(
    source: Any, kind: Kind, rows: int, dialect: Dialect = PLAIN, *, name: str = "the frame"
) -> tuple[list[str], Iterator[FrameSlice]]:
    """Reads a frame a few rows at a time; it never becomes one list.

    An index of pandas that has a name is a column; one without a name is left out.

    Args:
        source: The frame; where only ids are wanted, one column by itself will do.
        kind: What its rows are.
        rows: The most rows of a slice.
        dialect: What its columns are sent as.
        name: What it is called, for messages.

    Returns:
        The names that its columns are sent under, and slices of them; of the column of ids alone, where
        ids are all that is wanted.

    Raises:
        InvalidInput: It lacks a column, a column holds what cannot be sent, or what reads it is not
            installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
    except ImportError:
        raise InvalidInput(
            f"source is {type_in_words(source)}; pip install 'appcues-async[arrow]' brings what reads it"
        ) from None
    if type(source).__module__.split(".")[0] == "pandas":
        return _of_pandas(source, kind, rows, pa, dialect)
    reader = _reader_of(source, pa)
    if reader is None:
        _check_is_list(source, kind)
        chunks = pa.chunked_array(source).chunks
        names = [USER_ID[0]]
        reader = (pa.RecordBatch.from_arrays([chunk], names) for chunk in chunks)
        return names, _sliced(reader, names, rows, pa, name)
    wanted = _wanted(list(reader.schema.names), kind, dialect, name)
    for column in wanted:
        _check_type(reader.schema.field(column), column, pa)
    return _sent_as(wanted, dialect), _sliced(reader, wanted, rows, pa, name)


def _check_is_list(source: Any, kind: Kind) -> None:
    """Refuses one column by itself, such as `frame["user_id"]`, where rows have more."""
    if not kind.is_list:
        raise InvalidInput(
            f"source is {type_in_words(source)}, one column by itself; give a frame with all columns"
        )


def _sent_as(names: Sequence[str], dialect: Dialect) -> list[str]:
    return [dialect.names.get(name, name) for name in names]


def _wanted(given: list[Any], kind: Kind, dialect: Dialect, where: str = "the frame") -> list[str]:
    """The columns that are sent, by the names that they have.

    Raises:
        InvalidInput: One is missing, there twice, or not named in text.
    """
    names = given
    if dialect.names or dialect.id_column is not None:
        names = dialect.columns(given, where)
    odd = next((name for name in names if not isinstance(name, str) or not name), None)
    if odd is not None and not kind.is_list:
        raise InvalidInput(
            f"{where} has a column named {shown(odd)}; names of columns are text and not empty: "
            "rename it"
        )
    ids = [name for name in names if name in USER_ID] or (names if len(names) == 1 else [])
    missing = kind.missing(names)
    if missing and not (kind.is_list and ids):
        there = list(map(str, names))
        message = f"{where} has no {', no '.join(missing)}; it has: {joined(there)}"
        raise InvalidInput(with_options(message, *options_for(there, kind)))
    if len(ids) > 1:
        raise InvalidInput(f"{where} has two columns of ids, {' and '.join(ids)}; drop one of them")
    if kind.is_list:
        return [name for name in given if dialect.names.get(name, name) == ids[0]]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput(f"{where} has two columns named {twice!r}; rename one of them")
    return given


# --- through Arrow -------------------------------------------------------------------------------


def _reader_of(source: Any, pa: Any) -> Any:
    """The batches of a frame; None for a single column."""
    try:
        return pa.RecordBatchReader.from_stream(source)
    except pa.ArrowInvalid as error:
        if not hasattr(source, "columns"):
            return None
        raise _unreadable_frame(source, error) from None
    except Exception as error:  # noqa: BLE001 - each make has errors of its own
        raise _unreadable_frame(source, error) from None


def _unreadable_frame(source: Any, error: Exception) -> InvalidInput:
    said = error.args[0] if error.args else type(error).__name__
    return InvalidInput(f"source is {type_in_words(source)} that cannot be read: {said}")


def _check_type(field: Any, name: str, pa: Any) -> None:
    """Refuses a type whose values are not what is seen in the frame."""
    extension = (field.metadata or {}).get(b"ARROW:extension:name", b"").decode()
    if isinstance(field.type, pa.BaseExtensionType):
        extension = field.type.extension_name
    if extension and extension not in _KNOWN:
        raise _no_type(name, extension)


def _no_type(name: object, kind: object) -> InvalidInput:
    return InvalidInput(
        f"the column {shown(name)} is of the type {kind}, which has no form in JSON; convert it to text "
        "or numbers, or drop it"
    )


def _sliced(
    batches: Iterable[Any], names: Sequence[str], rows: int, pa: Any, where: str
) -> Iterator[FrameSlice]:
    iterator = iter(batches)
    while True:
        try:
            batch = next(iterator, None)
        except (pa.ArrowException, OSError) as error:
            # What follows is a stack, or details for those who wrote the library.
            said = str(error).partition(" Detail: ")[0].partition("\n")[0]
            raise InvalidInput(f"{where} cannot be read: {said}") from None
        if batch is None:
            return
        chosen = batch.select(names)
        for start in range(0, batch.num_rows, rows):
            some = chosen.slice(start, rows)
            columns = [
                _values_of(column, name, pa)
                for name, column in zip(names, some.columns, strict=True)
            ]
            yield FrameSlice(columns, some.nbytes)


def _values_of(column: Any, name: str, pa: Any) -> Sequence[Any]:
    """The values of a column of Arrow's."""
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        # Python's moments end at microseconds, which is where times of nearly all programs end.
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    try:
        return column.to_pylist(maps_as_pydicts="strict")  # type: ignore[no-any-return]
    except (OverflowError, ValueError, KeyError):
        return [_value_of(one) for one in column]
    except pa.ArrowException as error:
        raise InvalidInput(f"the column {shown(name)} cannot be read: {error}") from None


def _value_of(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (OverflowError, ValueError):
        return _BEYOND


# --- pandas --------------------------------------------------------------------------------------


def _of_pandas(
    source: Any, kind: Kind, rows: int, pa: Any, dialect: Dialect
) -> tuple[list[str], Iterator[FrameSlice]]:
    if not hasattr(source, "columns"):
        _check_is_list(source, kind)
        columns = [(USER_ID[0], source)]
    else:
        columns = [(name, source.iloc[:, place]) for place, name in enumerate(source.columns)]
        there = {name for name, _ in columns}
        for level, name in enumerate(source.index.names):
            if name is not None and name not in there:
                columns.append((name, source.index.get_level_values(level).to_series()))
    wanted = _wanted([name for name, _ in columns], kind, dialect)
    chosen = [column for name, column in columns if name in wanted]
    readers = [
        _reader_of_series(name, column, pa) for name, column in zip(wanted, chosen, strict=True)
    ]
    count = len(source)
    width = int(sum(column.memory_usage(index=False) for column in chosen)) // max(count, 1)

    def slices() -> Iterator[FrameSlice]:
        for start in range(0, count, rows):
            stop = min(start + rows, count)
            yield FrameSlice([read(start, stop) for read in readers], width * (stop - start))

    return _sent_as(wanted, dialect), slices()


def _reader_of_series(name: str, column: Any, pa: Any) -> Callable[[int, int], Sequence[Any]]:
    """A reader of the values of some rows of a column of pandas."""
    kind = type(column.dtype).__name__
    if kind == "CategoricalDtype":
        column = column.astype(column.cat.categories.dtype)
    elif kind == "SparseDtype":
        column = column.sparse.to_dense()
    elif kind in {"PeriodDtype", "IntervalDtype"} or column.dtype.kind == "c":
        raise _no_type(name, column.dtype)

    def objects(start: int, stop: int) -> Sequence[Any]:
        some = column.iloc[start:stop]
        # Python's own objects are what they are; only what is missing is a null.
        return [
            None if missing else value
            for value, missing in zip(some.tolist(), some.isna().tolist(), strict=True)
        ]

    def converted(start: int, stop: int) -> Sequence[Any]:
        try:
            return _values_of(pa.array(column.iloc[start:stop], from_pandas=True), name, pa)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise InvalidInput(f"the column {shown(name)} cannot be read: {error}") from None

    return objects if column.dtype == object else converted
