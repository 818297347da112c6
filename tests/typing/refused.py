"""What a type checker refuses."""

from __future__ import annotations

from appcues_async import AppcuesClient


def wrong_arguments(client: AppcuesClient) -> None:
    # Each comment is itself an error once its line is no longer refused.
    AppcuesClient("1", "key", "secret", region="mars")  # type: ignore[arg-type]
    AppcuesClient("1", "key", "secret", on_unknown="hope")  # type: ignore[arg-type]
    AppcuesClient("1", "key", "secret", "eu")  # type: ignore[call-arg]
    client.imports.profiles("users.csv", format="json")  # type: ignore[arg-type, unused-coroutine]
    client.segments.update("s", "Foes")  # type: ignore[call-arg, unused-coroutine]
