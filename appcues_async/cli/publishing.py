"""`flows`, `checklists`, `experiences`, `tags`: listed and shown; the first three published as well."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Annotated, Any, Final, TypeAlias

import attrs
from cyclopts import App, Parameter

from appcues_async.api.publishing import Collection, ExperienceType, Publishable
from appcues_async.cli.options import DEFAULTS, Id, Options, open_client
from appcues_async.cli.output import show, show_one
from appcues_async.client import AppcuesClient
from appcues_async.models import as_row

__all__ = ["CHECKLISTS", "EXPERIENCES", "FLOWS", "TAGS"]

ItemId: TypeAlias = Annotated[Id, Parameter(name="ID")]
Type: TypeAlias = Annotated[ExperienceType, Parameter(name="TYPE", help="The type.")]

COLUMNS: Final = ("id", "name", "published", "updated_at")


async def _show_all(
    options: Options,
    columns: Sequence[str],
    ask: Callable[[AppcuesClient], Awaitable[Iterable[attrs.AttrsInstance]]],
) -> None:
    async with open_client(options) as client:
        show(map(as_row, await ask(client)), options.output, columns)


async def _show_one(
    options: Options, ask: Callable[[AppcuesClient], Awaitable[attrs.AttrsInstance]]
) -> None:
    async with open_client(options) as client:
        show_one(as_row(await ask(client)), options.output)


async def _publish(
    options: Options,
    item_id: str,
    ask: Callable[[AppcuesClient], Awaitable[None]],
    *,
    published: bool,
) -> None:
    async with open_client(options) as client:
        await ask(client)
        show_one({"id": item_id, "published": published}, options.output)


def _collection(
    name: str,
    about: str,
    columns: Sequence[str],
    find: Callable[[AppcuesClient], Collection[Any]],
) -> App:
    app = App(name=name, help=about)
    one = name.removesuffix("s")
    example = f"Example: appcues-async {name}"

    @app.command(name="list", help=f"List all {name}.\n\n{example} list")
    async def list_(*, options: Options = DEFAULTS) -> None:
        await _show_all(options, columns, lambda client: find(client).list())

    @app.command(help=f"Show one {one}.\n\n{example} get {one.upper()}_ID")
    async def get(
        item_id: ItemId,
        /,
        *,
        options: Options = DEFAULTS,
    ) -> None:
        await _show_one(options, lambda client: find(client).get(item_id))

    return app


def _publishable(
    name: str,
    about: str,
    columns: Sequence[str],
    find: Callable[[AppcuesClient], Publishable[Any]],
) -> App:
    app = _collection(name, about, columns, find)
    one = name.removesuffix("s")
    example = f"Example: appcues-async {name}"

    @app.command(
        help=f"Publish a {one}; harmless where it is published already."
        f"\n\n{example} publish {one.upper()}_ID"
    )
    async def publish(item_id: ItemId, /, *, options: Options = DEFAULTS) -> None:
        await _publish(
            options, item_id, lambda client: find(client).publish(item_id), published=True
        )

    @app.command(
        help=f"Unpublish a {one}; harmless where it is not published."
        f"\n\n{example} unpublish {one.upper()}_ID"
    )
    async def unpublish(item_id: ItemId, /, *, options: Options = DEFAULTS) -> None:
        await _publish(
            options, item_id, lambda client: find(client).unpublish(item_id), published=False
        )

    return app


FLOWS: Final = _publishable(
    "flows", "Flows, and whether users see them.", COLUMNS, lambda client: client.flows
)
CHECKLISTS: Final = _publishable(
    "checklists",
    "Checklists, and whether users see them.",
    ("id", "internal_name", "title", "published", "updated_at"),
    lambda client: client.checklists,
)
TAGS: Final = _collection(
    "tags",
    "Tags that experiences are sorted by.",
    ("id", "name", "updated_at"),
    lambda client: client.tags,
)
EXPERIENCES: Final = App(
    name="experiences", help="Experiences that are neither flows nor checklists, by type."
)


@EXPERIENCES.command(name="list")
async def _list(kind: Type, /, *, options: Options = DEFAULTS) -> None:
    """List all experiences of a type.

    Example: appcues-async experiences list pins
    """
    await _show_all(options, COLUMNS, lambda client: client.experiences.list(kind))


@EXPERIENCES.command(name="get")
async def _get(kind: Type, experience_id: Id, /, *, options: Options = DEFAULTS) -> None:
    """Show one experience.

    Example: appcues-async experiences get pins PIN_ID
    """
    await _show_one(options, lambda client: client.experiences.get(kind, experience_id))


@EXPERIENCES.command(name="publish")
async def _publish_one(kind: Type, experience_id: Id, /, *, options: Options = DEFAULTS) -> None:
    """Publish an experience; harmless where it is published already.

    Example: appcues-async experiences publish launchpads LAUNCHPAD_ID
    """
    await _publish(
        options,
        experience_id,
        lambda client: client.experiences.publish(kind, experience_id),
        published=True,
    )


@EXPERIENCES.command(name="unpublish")
async def _unpublish_one(kind: Type, experience_id: Id, /, *, options: Options = DEFAULTS) -> None:
    """Unpublish an experience; harmless where it is not published.

    Example: appcues-async experiences unpublish banners BANNER_ID
    """
    await _publish(
        options,
        experience_id,
        lambda client: client.experiences.unpublish(kind, experience_id),
        published=False,
    )
