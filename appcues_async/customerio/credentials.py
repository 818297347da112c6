"""Whose requests go to Customer.io, and to which of its servers."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import Any, Final, NoReturn, get_args

from attrs import Attribute, field, frozen

from appcues_async.errors import InvalidInput
from appcues_async.settings import Region, as_secret, origin_of
from appcues_async.text import Secret, type_in_words
from appcues_async.wire.transport import Address

__all__ = ["CustomerIOCredentials"]

ORIGINS: Final[Mapping[str, str]] = {
    "us": "https://track.customer.io",
    "eu": "https://track-eu.customer.io",
}
_NEEDED: Final = ("SITE_ID", "API_KEY")
_WHERE: Final = "copy it again from Customer.io's settings, API credentials"


def _part(_: object, attribute: Attribute[Any], value: Any) -> None:
    # The value itself stays out of the message: where two are mixed up, either may be the key.
    if not isinstance(value, str):
        raise InvalidInput(f"{attribute.name} is {type_in_words(value)}; it must be text")
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise InvalidInput(
            f"{attribute.name} is empty, or holds what no key does, as a space or a line break; {_WHERE}"
        )
    if attribute.name == "site_id" and ":" in value:
        raise InvalidInput("site_id holds ':'; give both parts apart, as site_id and api_key")


@frozen(kw_only=True)
class CustomerIOCredentials:
    """A site, the key to it, and the server that both belong to.

    Attributes:
        site_id: The site's id.
        api_key: Its Track API key; never shown.
        origin: The server's address.
    """

    site_id: str = field(validator=_part)
    api_key: Secret = field(converter=as_secret, validator=_part, repr=False)
    origin: str

    @classmethod
    def of(
        cls, site_id: str, api_key: str, *, region: str = "us", base_url: str | None = None
    ) -> CustomerIOCredentials:
        """Checks and keeps what names a site; `base_url` wins over `region`.

        Raises:
            InvalidInput: A part is missing or malformed.
        """
        # Before anything can go wrong, for the sake of those who write down a frame's variables.
        api_key = as_secret(api_key)
        if region not in get_args(Region):
            raise InvalidInput(f"region is {region!r}; it must be 'us' or 'eu'")
        origin = origin_of(ORIGINS[region] if base_url is None else base_url)
        return cls(site_id=site_id, api_key=api_key, origin=origin)

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None) -> CustomerIOCredentials:
        """Reads CUSTOMERIO_SITE_ID, CUSTOMERIO_API_KEY, CUSTOMERIO_REGION and CUSTOMERIO_BASE_URL.

        Args:
            environment: Instead of the process's own.

        Raises:
            InvalidInput: A variable is missing or malformed.
        """
        source = os.environ if environment is None else environment
        names = (*_NEEDED, "REGION", "BASE_URL")
        given = {name: as_secret(source.get(f"CUSTOMERIO_{name}")) for name in names}
        del source, environment
        if missing := [f"CUSTOMERIO_{name}" for name in _NEEDED if not given[name]]:
            raise InvalidInput(f"the environment gives no {' and no '.join(missing)}; set it")
        return cls.of(
            str(given["SITE_ID"]),
            given["API_KEY"],
            region=str(given["REGION"] or "us").lower(),
            base_url=str(given["BASE_URL"]) if given["BASE_URL"] else None,
        )

    @property
    def address(self) -> Address:
        """Where requests go, and as whom."""
        pair = f"{self.site_id}:{self.api_key}".encode("ascii")
        authorization = Secret("Basic " + base64.b64encode(pair).decode("ascii"))
        # No account of Appcues is called that, so no throttle is shared with one by chance.
        return Address(self.origin, self.origin, f"customer.io/{self.site_id}", authorization)

    def __getstate__(self) -> NoReturn:
        raise TypeError("Credentials are not pickled; make them anew where they are needed")
