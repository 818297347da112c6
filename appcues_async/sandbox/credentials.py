"""The sandbox's credentials."""

from __future__ import annotations

from typing import TypedDict

from attrs import frozen

__all__ = ["ClientArguments", "Credentials", "CustomerIOArguments"]


@frozen
class Credentials:
    """The credentials of the sandbox's one account and its one Customer.io site."""

    account_id: str
    api_key: str
    api_secret: str
    legacy_api_key: str
    site_id: str
    site_key: str


class ClientArguments(TypedDict):
    """The arguments of a client, typed so that `Client(**sandbox.credentials)` checks."""

    account_id: str
    api_key: str
    api_secret: str
    base_url: str


class CustomerIOArguments(TypedDict):
    """The arguments of a Customer.io client."""

    site_id: str
    api_key: str
    base_url: str
