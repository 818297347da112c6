"""`sync segment`, `sync profiles`: what changed since the last time, and only that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from attrs import evolve, frozen
from cyclopts import App, Parameter

from appcues_async.bulk.resource import CONCURRENCY
from appcues_async.bulk.spec import OnFailure
from appcues_async.cli.bulk import LEAST
from appcues_async.cli.bulk_progress import open_stages
from appcues_async.cli.failures import (
    CommandFailed,
    exit_code_of,
    gravest_of,
    message_of,
)
from appcues_async.cli.inputs import source_of
from appcues_async.cli.options import (
    DEFAULTS,
    Id,
    InputFile,
    Options,
    Timeout,
    at_least,
    bytes_of,
    open_client,
    seconds_of,
)
from appcues_async.cli.output import print_lines, say, show_one
from appcues_async.cli.reading_options import ReadingOptions
from appcues_async.client import AppcuesClient
from appcues_async.errors import BulkFailed
from appcues_async.settings import Timeouts
from appcues_async.sync.report import SyncReport
from appcues_async.text import counted

__all__ = ["app"]

app: App = App(
    name="sync", help="Keep a segment or profiles in step with a file, by sending what changed."
)

SegmentId: TypeAlias = Annotated[
    Id, Parameter(name="SEGMENT_ID", help="The segment; `segments list` shows them.")
]
File: TypeAlias = Annotated[
    InputFile,
    Parameter(name="FILE", help="CSV or NDJSON, plain, gzip or zstd: a path or a URL; - is stdin."),
]
State: TypeAlias = Annotated[
    Path,
    Parameter(help="Keeps what was applied last, as ids and digests; made where there is none."),
]
AllowShrink: TypeAlias = Annotated[
    bool,
    Parameter(
        negative="",
        show_default=False,
        help="Take a file that is empty, or has less than half as many ids as the last one.",
    ),
]
MissingIds: TypeAlias = Annotated[
    Literal["ignore", "report"],
    Parameter(help="Say nothing of ids that are gone from the file, or list them."),
]


@Parameter(name="*")
@frozen(kw_only=True)
class SyncOptions(ReadingOptions):
    """Options of both commands.

    Attributes:
        full: Whether every row is sent.
        rejects: A file for the rows that are not sent.
        on_failure: What becomes of failures.
        concurrency: Uploads at a time.
        chunk_bytes: The most bytes of an upload.
        timeout: How long to wait for each job.
    """

    full: Annotated[
        bool, Parameter(negative="", show_default=False, help="Send every row, changed or not.")
    ] = False
    rejects: Annotated[
        Path | None,
        Parameter(help="Write rows that are not sent, and why, to this file (NDJSON)."),
    ] = None
    on_failure: Annotated[
        OnFailure,
        Parameter(
            help="Fail at the end unless every row was taken, only report it, or send nothing where a "
            "row is bad."
        ),
    ] = "raise"
    concurrency: Annotated[
        int, Parameter(validator=at_least(1, 64), help="Uploads at a time, 1 to 64.")
    ] = CONCURRENCY
    chunk_bytes: Annotated[
        str | None, Parameter(help="The most bytes of an upload, such as 500kB, 20MB or 200MB.")
    ] = None
    timeout: Timeout = None

    def arguments(self, *, dry_run: bool) -> dict[str, Any]:
        """The options as `client.sync` takes them.

        Args:
            dry_run: Whether nothing is sent.
        """
        return {
            **self.reading(),
            "dry_run": dry_run,
            "full": self.full,
            "rejects": self.rejects,
            # Not by an exception, since the report is shown in any case.
            "on_failure": "stop" if self.on_failure == "stop" else "report",
            "concurrency": self.concurrency,
            "chunk_bytes": bytes_of(self.chunk_bytes),
        }


SYNC_DEFAULTS: Final = SyncOptions()


@app.command
async def segment(
    segment_id: SegmentId,
    file: File,
    /,
    *,
    state: State,
    allow_shrink: AllowShrink = False,
    sync: SyncOptions = SYNC_DEFAULTS,
    options: Options = DEFAULTS,
) -> None:
    """Add and remove users until, of those added with this state, exactly these are left.

    Members that were added elsewhere stay, since no endpoint lists them.

    Example: appcues-async sync segment SEGMENT_ID ids.csv --state pros.db
    """
    source: Any = source_of(file)

    def start(client: AppcuesClient, arguments: dict[str, Any]) -> Awaitable[SyncReport]:
        return client.sync.segment(
            segment_id, source, state=state, allow_shrink=allow_shrink, **arguments
        )

    await _run(start, sync, options, segment_id=segment_id)


@app.command
async def profiles(
    file: File,
    /,
    *,
    state: State,
    missing: MissingIds = "ignore",
    sync: SyncOptions = SYNC_DEFAULTS,
    options: Options = DEFAULTS,
) -> None:
    """Update the profiles whose rows are new, or differ from what was applied last.

    Nobody is deleted, and what a row leaves out stays as it is.

    Example: appcues-async sync profiles users.csv --state users.db
    """
    source: Any = source_of(file)

    def start(client: AppcuesClient, arguments: dict[str, Any]) -> Awaitable[SyncReport]:
        return client.sync.profiles(source, state=state, missing=missing, **arguments)

    await _run(start, sync, options)


async def _run(
    start: Callable[[AppcuesClient, dict[str, Any]], Awaitable[SyncReport]],
    sync: SyncOptions,
    options: Options,
    *,
    segment_id: str | None = None,
) -> None:
    """Syncs, shows the report, and fails if not every row was taken.

    Raises:
        InvalidInput: Something is refused before anything is sent.
        CommandFailed: Not every row was taken.
    """
    arguments, seconds = sync.arguments(dry_run=options.dry_run), seconds_of(sync.timeout)
    display = open_stages(options.quiet, options.output)
    # What would be sent is told by the report, and no request is made.
    opened = evolve(options, dry_run=False)
    async with open_client(opened, display, segment_id=segment_id) as client:
        if seconds is not None:
            waits = evolve(Timeouts(), wait=max(seconds, LEAST))
            client = client.with_options(timeouts=waits)  # noqa: PLW2901
        with display:
            report = await start(client, arguments)
    _show(report, options)
    if options.dry_run:
        say("nothing was sent")
    if sync.on_failure != "report":
        _raise_for(report)


def _show(report: SyncReport, options: Options) -> None:
    row = report.as_row()
    if options.output == "json":
        rejects = [
            {"source": one.source, "number": one.number, "line": one.line, "reason": one.reason}
            for one in report.rejects
        ]
        more = {"samples": report.samples, "missing_ids": report.missing_ids, "rejects": rejects}
        show_one({**row, **more}, "json")
    elif options.output == "csv":
        show_one(row, "csv")
    else:
        print_lines(report.summary().splitlines())
        for name, ids in report.samples.items():
            if ids and (report.dry_run or name == "gone"):
                print_lines([f"{name.replace('_', ' ')}, the first: {', '.join(ids)}"])
        if report.missing_ids:
            print_lines(["missing:", *report.missing_ids])


def _raise_for(report: SyncReport) -> None:
    """Ends the command unless all went well.

    Raises:
        CommandFailed: It did not.
    """
    try:
        report.raise_for_failures()
    except BulkFailed as error:
        worst = gravest_of(report.failures)
        if worst is not None:
            kind, status, message = type(worst).__name__, worst.status, message_of(worst)
        else:
            kind, status, message = BulkFailed.__name__, None, "the sync was stopped before its end"
        if worst is None and report.rejects:
            first = report.rejects[0]
            message = (
                f"{report.rejected:,} of {counted(report.rows, 'row')} rejected; "
                f"the first: {first.where}: {first.reason}"
            )
        raise CommandFailed(
            message, kind=kind, exit_code=exit_code_of(error), status=status
        ) from None
