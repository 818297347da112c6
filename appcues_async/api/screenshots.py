"""Pictures of experiences; not in the reference, and used by the vendor's own command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from attrs import evolve

from appcues_async.api.resource import Resource
from appcues_async.wire.codec import expect_saved
from appcues_async.wire.download import check_target
from appcues_async.wire.request import Endpoint

__all__ = ["Screenshots"]

DOWNLOAD: Final = Endpoint("GET", "screenshots/{resource_id}")


class Screenshots(Resource):
    """`client.screenshots`: pictures of flows and experiences."""

    async def download(self, resource_id: str, path: str | os.PathLike[str]) -> Path:
        """Writes the pictures of one experience to disk, as a ZIP file.

        The file is there under its name only when it is whole, and is the owner's alone to read.

        Args:
            resource_id: The id of a flow or an experience of any type.
            path: Where to write it; a file of that name is replaced.

        Returns:
            The path.

        Raises:
            InvalidInput: The file cannot be written.
            NotFound: There is no such experience, or it has no pictures.
        """
        target = Path(path)
        check_target(target)
        request = DOWNLOAD.request(accept="*/*", resource_id=resource_id)
        await self._sender.send(evolve(request, save_to=target), expect_saved)
        return target
