"""The options of every command that reads rows."""

# Without `annotations` of the future: what inherits these options has its types evaluated elsewhere.
from typing import Annotated, Literal

from attrs import frozen
from cyclopts import Parameter

from appcues_async.bulk.reading import options
from appcues_async.cli.options import AllowIds
from appcues_async.errors import InvalidInput
from appcues_async.rows.file_head import Format

__all__ = ["ReadingOptions"]


@Parameter(name="*")
@frozen(kw_only=True)
class ReadingOptions:
    """How files are written, where that is not as the API takes them.

    Attributes:
        format: How the files are written.
        types: Whether cells of a CSV get types.
        delimiter: What stands between the cells of a CSV.
        encoding: What the text is in.
        id_column: The column that holds the ids.
        rename: New names of columns, as OLD=NEW.
        time_zone: The zone of times that have none.
        allow_id: Ids that are taken although they look like none.
    """

    format: Annotated[
        Format | None, Parameter(help="How the files are written, when their names do not say.")
    ] = None
    types: Annotated[
        Literal["infer"] | None,
        Parameter(help="Send cells of a CSV as the numbers and booleans that they look like."),
    ] = None
    delimiter: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True,
            help="What stands between the cells of a CSV, such as ';' or '\\t'.",
        ),
    ] = None
    encoding: Annotated[
        str | None, Parameter(help="What the text is in, if not UTF-8, such as cp1252 or utf-16.")
    ] = None
    id_column: Annotated[str | None, Parameter(help="The column that holds the users' ids.")] = None
    rename: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            show_default=False,
            help="Send the column OLD as NEW (OLD=NEW); may be repeated.",
        ),
    ] = ()
    time_zone: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True,
            help="The zone of times that have none, such as Europe/Berlin or -04:00.",
        ),
    ] = None
    allow_id: AllowIds = ()

    def reading(self) -> options.ReadingOptions:
        """The options as `client.bulk` and `client.sync` take them.

        Raises:
            InvalidInput: A new name is none.
        """
        names = dict(map(_pair_of, self.rename))
        if len(names) < len(self.rename):
            raise InvalidInput("--rename names a column twice; give each a name of its own")
        return {
            "format": self.format,
            "types": self.types,
            "allow_ids": self.allow_id,
            # A tab is not easily typed.
            "delimiter": "\t" if self.delimiter == "\\t" else self.delimiter,
            "encoding": self.encoding,
            "id_column": self.id_column,
            "rename": names or None,
            "time_zone": self.time_zone,
        }


def _pair_of(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        raise InvalidInput(f"--rename is {text!r}; give OLD=NEW, such as E-Mail=email")
    return old, new
