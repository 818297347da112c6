"""Bulk runs: their options, their progress, and their reports."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any, Final, TypeAlias

import attrs
from attrs import fields, frozen

from appcues_async.bulk.reading.options import reading_of
from appcues_async.bulk.reading.prepare import prepare_all
from appcues_async.bulk.reading.sources import STDIN
from appcues_async.bulk.rejects import check_rejects_file
from appcues_async.bulk.report import Outcome, Report
from appcues_async.bulk.resource import Bulk
from appcues_async.bulk.run import BulkRun
from appcues_async.cli.bulk_options import BulkOptions
from appcues_async.cli.bulk_progress import open_stages
from appcues_async.cli.cluster import joined_workers
from appcues_async.cli.failures import (
    CommandFailed,
    exit_code_of,
    failure_of,
    gravest_of,
    message_of,
)
from appcues_async.cli.follow import (
    follow_all,
    job_row,
    show_outcomes,
    status_of,
    tell_of_running,
)
from appcues_async.cli.inputs import InputSource
from appcues_async.cli.options import (
    Options,
    bytes_of,
    open_client,
    seconds_of,
)
from appcues_async.cli.output import print_lines, say
from appcues_async.cli.progress import Display, Silent
from appcues_async.errors import AppcuesError, BulkFailed, InvalidInput
from appcues_async.rows.kinds import Kind
from appcues_async.rows.sources import FILE_LIMIT
from appcues_async.settings import Timeouts
from appcues_async.text import counted
from appcues_async.waiting.handle import JobHandle
from appcues_async.wire.rehearsal import Rehearsal

__all__ = [
    "Ended",
    "follow_runs",
    "rows_of",
    "run_bulk",
]

COLUMNS: Final = (
    "chunk", "source", "rows", "bytes", "seconds", "status", "ingested", "failed", "job"
)  # fmt: skip
SPARE: Final = ("bytes", "seconds", "ingested")
PLACE: Final = ("chunk", "source", "first", "last", "rows", "bytes")
ENDED: Final = (*PLACE, "seconds", "status", "ingested", "failed", "job", "error")
LEAST: Final = 0.001
"""Seconds to wait for a job where none at all are asked for."""

_OPTIONS: Final = [
    f"--{one.name.replace('_', '-')}" for some in (BulkOptions, Options) for one in fields(some)
]

Start: TypeAlias = Callable[..., BulkRun]


@frozen
class Ended:
    """A run that has come to its end.

    Attributes:
        report: What it came to.
        error: What ended it early, if something did.
    """

    report: Report
    error: AppcuesError | None = None


async def run_bulk(
    source: Sequence[InputSource | str],
    kind: Kind,
    start: Callable[[Bulk], Start],
    bulk: BulkOptions,
    options: Options,
    *,
    segment_id: str | None = None,
) -> None:
    """Sends files or ids, follows their jobs, shows the report, and fails unless every row was taken.

    Args:
        source: Files and URLs, of which `-` is stdin; or ids.
        kind: What its rows are.
        start: Chooses the method that starts the run.
        bulk: How to send it.
        options: Which account, and how to show it.
        segment_id: The segment, where there is one.

    Raises:
        InvalidInput: Something is refused before anything is sent.
        CommandFailed: Something did not go well.
    """
    arguments = bulk.arguments(dry_run=options.dry_run)
    seconds = seconds_of(bulk.timeout)
    files = [one for one in source if not isinstance(one, str)]
    if len(files) == len(source):
        await asyncio.to_thread(_check_files, files, kind, bulk)
    rehearsal = Rehearsal(accepts=True) if options.dry_run else None
    display = Silent() if rehearsal else open_stages(options.quiet, options.output)
    async with (
        joined_workers(bulk, dry_run=options.dry_run) as workers,
        open_client(options, display, segment_id=segment_id, rehearsal=rehearsal) as client,
    ):
        if seconds is not None:
            # Of each job, from its start: an upload under way is not to be cut off.
            waits = attrs.evolve(Timeouts(), wait=max(seconds, LEAST))
            client = client.with_options(timeouts=waits)  # noqa: PLW2901
        segment = () if segment_id is None else (segment_id,)
        run = start(client.bulk)(*segment, list(source), **arguments, **workers)
        (ended,) = await follow_runs([run], display, options)
        report = ended.report
        if rehearsal is not None:
            places = rows_of(report.outcomes, files, PLACE)
            jobs = [one.id for one in report.handles]
            rehearsal.describe(dict(zip(jobs, places, strict=True)))
            _say_what_would_be(report)
        elif report.outcomes or ended.error is None:
            _show(report, files, options, wait=bulk.wait)
    if ended.error is not None or bulk.on_failure != "report":
        _raise_for(ended)


async def follow_runs(runs: Sequence[BulkRun], display: Display, options: Options) -> list[Ended]:
    """Follows all at once to their ends.

    When it is interrupted, what had been accepted is written to stderr, with the tokens of the jobs that
    still run, so that the wait can go on elsewhere.
    """
    some: dict[int, Ended] = {}

    async def to_end(number: int, run: BulkRun) -> None:
        some[number] = await _to_end(run)

    def stopped() -> None:
        for run in runs:
            _tell_of_the_stop(run.report)
        tell_of_running([one for run in runs for one in _running(run.report)], options)

    await follow_all([to_end(number, run) for number, run in enumerate(runs)], display, stopped)
    if any(one.error for ended in some.values() for one in ended.report.outcomes):
        late = [one for ended in some.values() for one in _late(ended.report)]
        tell_of_running(late, options)
    return [some[number] for number in range(len(runs))]


async def _to_end(run: BulkRun) -> Ended:
    try:
        return Ended(await run)
    except BulkFailed:
        return Ended(run.report)
    except AppcuesError as error:
        return Ended(run.report, error)


def _check_files(files: Sequence[InputSource], kind: Kind, bulk: BulkOptions) -> None:
    """Refuses what can be known to fail, before any file is sent.

    Raises:
        InvalidInput: There are no files, or one of them is refused.
    """
    if not files:
        raise InvalidInput("no FILE is given; name at least one CSV or NDJSON file, or - for stdin")
    for name in map(str, files):
        # Since - is a FILE, what is no option at all comes in as one.
        if name.startswith("-") and name != STDIN:
            near = difflib.get_close_matches(name, _OPTIONS, 1)
            meant = f"did you mean {near[0]}?" if near else f"a FILE of that name is ./{name}"
            raise InvalidInput(f"{name} is no option of this command; {meant}")
    if [str(file) for file in files].count(STDIN) > 1:
        raise InvalidInput("- is given more than once; stdin can be read once only")
    # URLs are looked at when the run begins.
    paths = [file for file in files if isinstance(file, Path)]
    if bulk.rejects is not None:
        check_rejects_file(bulk.rejects, paths)
    reading = attrs.evolve(reading_of(kind, bulk.reading()), check=bulk.check)
    prepare_all(paths, reading, bytes_of(bulk.chunk_bytes) or FILE_LIMIT, Event())


def _accepted(report: Report) -> Iterator[tuple[Outcome, JobHandle]]:
    for outcome in report.outcomes:
        if outcome.handle is not None:
            yield outcome, outcome.handle


def _running(report: Report) -> list[JobHandle]:
    """The jobs that still run, as far as is known."""
    return [handle for _, handle in _accepted(report) if not handle.done()]


def _late(report: Report) -> list[JobHandle]:
    """The jobs whose time to be waited for is over."""
    return [
        handle
        for outcome, handle in _accepted(report)
        if outcome.status == "accepted" and outcome.error is not None
    ]


def _tell_of_the_stop(report: Report) -> None:
    accepted = sum(1 for _ in _accepted(report))
    say(
        f"stopped: of {counted(report.rows, report.kind)} read, {report.accepted:,} had been accepted "
        f"in {counted(accepted, 'chunk')}, {report.completed:,} of them ingested"
    )
    for one in report.outcomes:
        if one.status == "unknown":
            say(
                f"{_name_of(one)}: stopped before it was known to be accepted; "
                "its job may be in: appcues-async jobs list"
            )


def _say_what_would_be(report: Report) -> None:
    say(
        f"{counted(report.accepted, report.kind)} in {counted(report.chunks, 'chunk')} of "
        f"{counted(report.bytes, 'byte')} "
        f"would be sent; {counted(report.rejected, 'row')} rejected"
    )


def _name_of(outcome: Outcome) -> str:
    return f"chunk {outcome.chunk}, rows {outcome.first:,} to {outcome.last:,} of {outcome.source}"


def _show(report: Report, files: Sequence[InputSource], options: Options, *, wait: bool) -> None:
    rejects = [
        {"source": one.source, "number": one.number, "line": one.line, "reason": one.reason}
        for one in report.rejects
    ]
    rows = rows_of(report.outcomes, files, ENDED)
    whole = {**report.as_row(), "rejects": rejects}
    show_outcomes(rows, options, wait=wait, columns=COLUMNS, spare=SPARE, whole=whole)
    if options.output == "table":
        print_lines(["", *report.summary().splitlines()])
    if report.read_to_end and not report.rows:
        say(f"warning: there were no {report.kind} to send")


def rows_of(
    outcomes: Iterable[Outcome], files: Iterable[InputSource], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Makes the rows that show chunks.

    Args:
        outcomes: How they ended.
        files: What was sent, as it was typed.
        names: Which values.
    """
    typed = {str(file.absolute()): str(file) for file in files if isinstance(file, Path)}
    rows: list[dict[str, Any]] = []
    for one in outcomes:
        row = {
            "chunk": one.chunk,
            "source": typed.get(one.source, one.source),
            "first": one.first,
            "last": one.last,
            "rows": one.rows,
            "bytes": one.size,
            "seconds": round(one.seconds, 1),
            "status": _status_of(one),
            "ingested": one.ingested,
            "failed": one.lost,
            "job": job_row(one.handle),
            "error": one.error and message_of(one.error),
        }
        rows.append({name: row[name] for name in names})
    return rows


def _status_of(outcome: Outcome) -> str:
    """The API's word for its job; REFUSED or UNKNOWN where it has none, or nothing says so."""
    if outcome.status == "accepted" and outcome.handle is not None:
        return status_of(outcome.handle)
    return outcome.status.upper()


def _raise_for(ended: Ended) -> None:
    """Ends the command unless all went well.

    Raises:
        CommandFailed: It did not.
    """
    report = ended.report
    if ended.error is not None:
        failure = failure_of([ended.error], 1, "runs")
        assert failure is not None  # noqa: S101 - there is an error
        if report.outcomes:
            failure.args = (f"{failure}; accepted before that: {counted(report.accepted, 'row')}",)
        raise failure
    try:
        report.raise_for_failures()
    except BulkFailed as error:
        raise _failure_of(report, exit_code_of(error)) from None


def _failure_of(report: Report, exit_code: int) -> CommandFailed:
    failures = report.failures
    worst = gravest_of(failures)
    if worst is not None:
        message = message_of(worst)
        if report.chunks > 1:
            message = f"{len(failures)} of {report.chunks} chunks did not go well: {message}"
        kind = type(worst).__name__
        return CommandFailed(message, kind=kind, exit_code=exit_code, status=worst.status)
    message = "the run was stopped before its end"
    if report.rejects:
        first = report.rejects[0]
        message = (
            f"{report.rejected:,} of {counted(report.rows, 'row')} rejected; "
            f"the first: {first.where}: {first.reason}"
        )
    return CommandFailed(message, kind=BulkFailed.__name__, exit_code=exit_code)
