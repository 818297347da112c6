"""Options that every command has, and the client that they stand for."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from attrs import frozen
from cyclopts import Parameter

from appcues_async.cli.dry_run import rehearsed
from appcues_async.cli.failures import CONFIGURATION, USAGE, CommandFailed
from appcues_async.cli.limits import LimitsEcho
from appcues_async.cli.output import Form
from appcues_async.cli.profile_file import saved_profiles
from appcues_async.client import AppcuesClient
from appcues_async.errors import InvalidInput
from appcues_async.logs import log_to_stderr
from appcues_async.notices import Listener
from appcues_async.settings import Credentials
from appcues_async.wire.rehearsal import Rehearsal

if TYPE_CHECKING:
    from appcues_async.sandbox import Sandbox

__all__ = [
    "DEFAULTS",
    "AllowIds",
    "Id",
    "IdsFile",
    "InputFile",
    "Interactive",
    "JsonFile",
    "Options",
    "Output",
    "Pairs",
    "Quiet",
    "Timeout",
    "UserIds",
    "Wait",
    "Yes",
    "asks_first",
    "at_least",
    "bytes_of",
    "credentials_of",
    "open_account",
    "open_client",
    "resume_command",
    "seconds_of",
]

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_SIZES: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20}


def _no_option(_: Any, value: object) -> None:
    if str(value).startswith("--"):
        raise ValueError(f"{value} is no option of this command, and no id either")


def at_least(low: float, high: float | None = None) -> Callable[[Any, Any], None]:
    """Makes a validator of a number's range; what is no number at all is in none."""

    def check(_: Any, value: Any) -> None:
        if value is None:
            # It was left out.
            return
        if not value >= low or (high is not None and value > high):
            most = "" if high is None else f" and at most {high:,}"
            raise ValueError(f"must be at least {low:,}{most}")

    return check


# Ids of segments begin with a hyphen as often as not.
Id: TypeAlias = Annotated[str, Parameter(allow_leading_hyphen=True, validator=_no_option)]
InputFile: TypeAlias = Annotated[str, Parameter(allow_leading_hyphen=True)]
Pairs: TypeAlias = Annotated[
    str, Parameter(name="KEY=VALUE", help="An attribute; KEY:=VALUE where it is no text.")
]
JsonFile: TypeAlias = Annotated[
    str | None,
    Parameter(
        name="--json", allow_leading_hyphen=True, help="A file of JSON to send; - reads stdin."
    ),
]
IdsFile: TypeAlias = Annotated[
    str | None,
    Parameter(
        name="--file",
        allow_leading_hyphen=True,
        help="A file of ids, CSV of one column or NDJSON; - reads stdin.",
    ),
]
Wait: TypeAlias = Annotated[
    bool,
    Parameter(
        show_default=False,
        help="Wait until the jobs have ended (the default), or print their ids, urls and tokens.",
    ),
]
Timeout: TypeAlias = Annotated[
    str | None, Parameter(help="Wait no longer than this, such as 90s, 15m or 2h.")
]
AllowIds: TypeAlias = Annotated[
    tuple[str, ...],
    Parameter(
        name="--allow-id",
        negative="",
        show_default=False,
        allow_leading_hyphen=True,
        help="Take this id although it looks like none, such as null; may be repeated.",
    ),
]
Yes: TypeAlias = Annotated[bool, Parameter(negative="", show_default=False, help="Do not ask.")]
Interactive: TypeAlias = Annotated[
    bool,
    Parameter(
        name=("--interactive", "-i"),
        negative="",
        show_default=False,
        help="Ask before anything is deleted or removed.",
    ),
]
UserIds: TypeAlias = Annotated[
    tuple[str, ...],
    Parameter(
        name="--user-ids",
        negative="",
        show_default=False,
        allow_leading_hyphen=True,
        consume_multiple=False,
        help="Ids with commas between them, such as 007,008; may be repeated.",
    ),
]
Output: TypeAlias = Annotated[
    Form, Parameter(name=("--output", "-o"), help="How results are written to stdout.")
]
Quiet: TypeAlias = Annotated[
    bool,
    Parameter(name=("--quiet", "-q"), negative="", show_default=False, help="Show no progress."),
]


@Parameter(name="*")
@frozen(kw_only=True)
class Options:
    """Options of every command.

    Attributes:
        profile: A profile of ~/.config/appcues/config.toml; else the environment decides.
        sandbox: Whether to run against an embedded sandbox.
        dry_run: Whether to show what would be sent instead of sending it.
        proxy: A proxy to go through, or `env`.
        output: How results are written.
        interactive: Whether to ask before anything is deleted or removed.
        quiet: Whether to leave out progress.
        verbose: 1 logs to stderr, 2 logs each attempt as well.
    """

    profile: Annotated[
        str | None,
        Parameter(help="Take the credentials from this profile of ~/.config/appcues/config.toml."),
    ] = None
    sandbox: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Run against an embedded sandbox; no account needed.",
        ),
    ] = False
    dry_run: Annotated[
        bool,
        Parameter(
            negative="", show_default=False, help="Show what would be sent, and send nothing."
        ),
    ] = False
    proxy: Annotated[
        str | None,
        Parameter(
            help="Go through this proxy, http://host:port, or the one of HTTPS_PROXY with `env`."
        ),
    ] = None
    output: Output = "table"
    interactive: Interactive = False
    quiet: Quiet = False
    verbose: Annotated[
        int,
        Parameter(
            name=("--verbose", "-v"),
            count=True,
            negative="",
            show_default=False,
            help="Log jobs, runs and pauses to stderr; -vv logs each attempt as well.",
        ),
    ] = 0


DEFAULTS: Final = Options()


@asynccontextmanager
async def open_client(
    options: Options,
    listener: Listener | None = None,
    *,
    segment_id: str | None = None,
    rehearsal: Rehearsal | None = None,
) -> AsyncIterator[AppcuesClient]:
    """Opens the client that the options stand for.

    Args:
        options: Which account, or the sandbox.
        listener: Receives every notice.
        segment_id: A segment that an embedded sandbox is to have.
        rehearsal: Takes in what would be sent, where nothing is to be.

    Raises:
        CommandFailed: There are no credentials, or they are malformed.
    """
    async with open_account(options, listener, segment_id=segment_id, rehearsal=rehearsal) as (
        client,
        _,
    ):
        yield client


@asynccontextmanager
async def open_account(
    options: Options,
    listener: Listener | None = None,
    *,
    segment_id: str | None = None,
    rehearsal: Rehearsal | None = None,
) -> AsyncIterator[tuple[AppcuesClient, Sandbox | None]]:
    """Opens the client that the options stand for, and the sandbox under it if there is one.

    Args:
        options: Which account, or the sandbox.
        listener: Receives every notice.
        segment_id: A segment that an embedded sandbox is to have.
        rehearsal: Takes in what would be sent, where nothing is to be.

    Raises:
        CommandFailed: There are no credentials, or they are malformed.
    """
    if options.sandbox and options.profile is not None:
        raise CommandFailed(
            "--profile and --sandbox exclude each other; a sandbox has credentials of its own",
            kind="InvalidInput",
            exit_code=USAGE,
        )
    if options.verbose:
        log_to_stderr("info" if options.verbose == 1 else "debug")
    async with AsyncExitStack() as opened:
        sandbox: Sandbox | None = None
        if options.sandbox:
            sandbox = await opened.enter_async_context(_sandbox(segment_id))
        session = None
        if options.dry_run:
            session = opened.enter_context(rehearsed(options.output, rehearsal))
        # A rehearsal connects to nothing.
        proxy = None if options.dry_run else options.proxy
        echo = opened.enter_context(LimitsEcho(listener, quiet=options.quiet))
        credentials = credentials_of(options, sandbox)
        client = AppcuesClient(
            credentials.account_id,
            credentials.api_key,
            credentials.api_secret,
            base_url=credentials.origin,
            session=session,
            proxy=proxy,
            on_notice=echo,
        )
        yield await opened.enter_async_context(client), sandbox


def _sandbox(segment_id: str | None) -> Sandbox:
    # A server takes its time to import, and most commands do without it.
    from appcues_async.sandbox import Sandbox, Segment  # noqa: PLC0415

    sandbox = Sandbox(job_seconds=1, export_links=True)
    if segment_id is not None:
        now, who = datetime.now(UTC), "appcues-async"
        sandbox.segments[segment_id] = Segment(
            id=segment_id,
            name="Segment",
            created_at=now,
            created_by=who,
            updated_at=now,
            updated_by=who,
        )
    return sandbox


def credentials_of(options: Options, sandbox: Sandbox | None) -> Credentials:
    """Finds the credentials that the options stand for.

    Args:
        options: Which account.
        sandbox: The sandbox, where it is one.

    Raises:
        CommandFailed: There are none, or they are malformed.
    """
    if sandbox is not None:
        return Credentials.of(**sandbox.credentials)
    try:
        if options.profile is None:
            return Credentials.from_env()
        return Credentials.from_profile(options.profile)
    except InvalidInput as error:
        raise CommandFailed(
            f"{error}; or try --sandbox", kind="InvalidInput", exit_code=CONFIGURATION
        ) from None


def asks_first(options: Options) -> bool:
    """Whether to ask before users are removed from a segment, which is done without asking otherwise.

    As in the vendor's command, `--interactive` says so, or else the variable APPCUES_INTERACTIVE, or
    else `interactive` in the profile.

    Raises:
        InvalidInput: The variable is neither true nor false, or the profiles cannot be read.
    """
    if options.interactive:
        return True
    said = os.environ.get("APPCUES_INTERACTIVE")
    if said is None:
        name = options.profile or os.environ.get("APPCUES_PROFILE") or "default"
        return saved_profiles().get(name, {}).get("interactive") is True
    if said not in {"true", "false"}:
        raise InvalidInput(f"APPCUES_INTERACTIVE is {said!r}; it must be true or false")
    return said == "true"


def resume_command(options: Options) -> str | None:
    """The command that takes the wait for a job up again; None where the job is gone by then."""
    if options.sandbox:
        return None
    profile = "" if options.profile is None else f" --profile {shlex.quote(options.profile)}"
    return f"appcues-async jobs wait{profile}"


def seconds_of(text: str | None) -> float | None:
    """Reads a stretch of time such as `90`, `90s`, `15m` or `2h`.

    Raises:
        InvalidInput: It is none.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip(), re.ASCII)
    if match is None:
        raise InvalidInput(f"--timeout is {text!r}; give seconds, or such as 90s, 15m or 2h")
    return float(match[1]) * _UNITS[match[2]]


def bytes_of(text: str | None) -> int | None:
    """Reads a number of bytes such as `500000`, `500kB`, `20MB` or `16MiB`.

    Raises:
        InvalidInput: It is none.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*((?:[km]i|[kmg])?b?)", text.strip().lower(), re.ASCII)
    if match is None:
        raise InvalidInput(
            f"--chunk-bytes is {text!r}; give bytes, or such as 500kB, 20MB or 200MB"
        )
    return int(float(match[1]) * _SIZES[match[2].removesuffix("b")])
