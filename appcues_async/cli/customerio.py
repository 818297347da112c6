"""`customerio`: who is in Customer.io's manual segments."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import App, Parameter

from appcues_async.cli.dry_run import rehearsed
from appcues_async.cli.failures import CONFIGURATION, USAGE, CommandFailed, failure_of
from appcues_async.cli.options import DEFAULTS, AllowIds, Options
from appcues_async.cli.output import print_lines, say, show_one
from appcues_async.cli.progress import Display, open_display
from appcues_async.customerio import CustomerIOClient, IdType
from appcues_async.customerio.report import SegmentReport
from appcues_async.customerio.segments import Segments
from appcues_async.errors import InvalidInput

__all__ = ["app"]

app: App = App(
    name="customerio",
    help=(
        "Customer.io's manual segments. Credentials come from CUSTOMERIO_SITE_ID, CUSTOMERIO_API_KEY "
        "and CUSTOMERIO_REGION."
    ),
)

SegmentId: TypeAlias = Annotated[int, Parameter(name="SEGMENT_ID", help="A manual segment's.")]
File: TypeAlias = Annotated[
    Path, Parameter(name="FILE", help="Ids: CSV of one column, or NDJSON; any number of them.")
]
Change: TypeAlias = Callable[[int, Path], Awaitable[SegmentReport]]
IdTypeOption: TypeAlias = Annotated[IdType, Parameter(help="What the ids are.")]


@app.command
async def add_customers(
    segment_id: SegmentId,
    file: File,
    /,
    *,
    id_type: IdTypeOption = "id",
    allow_id: AllowIds = (),
    options: Options = DEFAULTS,
) -> None:
    """Add the people of a file to a manual segment.

    Customer.io ignores ids that it does not know, and says nothing of them.

    Example: appcues-async customerio add-customers 7 ids.csv
    """
    await _change(
        segment_id,
        file,
        options,
        lambda segments: partial(segments.add_customers, id_type=id_type, allow_ids=allow_id),
    )


@app.command
async def remove_customers(
    segment_id: SegmentId,
    file: File,
    /,
    *,
    id_type: IdTypeOption = "id",
    options: Options = DEFAULTS,
) -> None:
    """Remove the people of a file from a manual segment.

    Example: appcues-async customerio remove-customers 7 emails.csv --id-type email
    """
    await _change(
        segment_id,
        file,
        options,
        lambda segments: partial(segments.remove_customers, id_type=id_type),
    )


async def _change(
    segment_id: int, file: Path, options: Options, change_of: Callable[[Segments], Change]
) -> None:
    if options.dry_run:
        say("of requests of up to 1,000 ids each, this is the first:")
    display = open_display(options.quiet, options.output)
    async with _open(options, display) as client:
        with display:
            report = await change_of(client.segments)(segment_id, file)
        show_one(
            {
                "segment_id": segment_id,
                "ids": report.ids,
                "requests": report.requests,
                "failed": len(report.failed),
            },
            options.output,
        )
        if options.output == "table":
            print_lines(
                f"ids {one.first:,} to {one.last:,}, counted from 0: {one.error}"
                for one in report.failed
            )
        failed = failure_of([one.error for one in report.failed], report.requests, "requests")
        if failed is not None:
            raise failed


@asynccontextmanager
async def _open(options: Options, listener: Display) -> AsyncIterator[CustomerIOClient]:
    if options.profile is not None:
        raise CommandFailed(
            "--profile names an account of Appcues; set CUSTOMERIO_SITE_ID and CUSTOMERIO_API_KEY",
            kind="InvalidInput",
            exit_code=USAGE,
        )
    async with AsyncExitStack() as opened:
        session = opened.enter_context(rehearsed(options.output)) if options.dry_run else None
        if options.sandbox:
            # A server takes its time to import, and most commands do without it.
            from appcues_async.sandbox import Sandbox  # noqa: PLC0415

            sandbox = await opened.enter_async_context(Sandbox())
            client = CustomerIOClient(
                **sandbox.customerio_credentials, session=session, on_notice=listener
            )
        else:
            client = _from_environment(session=session, on_notice=listener)
        yield await opened.enter_async_context(client)


def _from_environment(**others: object) -> CustomerIOClient:
    try:
        return CustomerIOClient.from_env(**others)
    except InvalidInput as error:
        raise CommandFailed(
            f"{error}; or try --sandbox", kind="InvalidInput", exit_code=CONFIGURATION
        ) from None
