"""Where a link in an answer may lead: to https at a public address, and nowhere else.

Whoever can write a link into an answer could otherwise have this program ask services that only it
reaches, such as the metadata of a cloud's machines. A program whose own server is on this machine (the
sandbox, a tunnel) may be led to this machine.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from appcues_async.settings import is_loopback, origin_of

__all__ = ["is_allowed_address", "is_safe_link"]

_NAT64: Final = ip_network("64:ff9b::/96")
"""Addresses of IPv6 that stand for ones of IPv4 (RFC 6052)."""

_NUMBER: Final = re.compile(r"\d+|0x[0-9a-f]*", re.IGNORECASE)


def is_safe_link(link: str, origin: str) -> bool:
    """Whether a link may be followed, as far as its text shows; its host's name is not looked up.

    Args:
        link: The link.
        origin: The client's own server.
    """
    if not link.isascii() or not link.isprintable() or " " in link:
        return False
    try:
        parts = urlsplit(link)
        # It refuses what is neither https nor on this machine, and user names.
        host = urlsplit(origin_of(f"{parts.scheme}://{parts.netloc}")).hostname or ""
    except ValueError:
        return False
    loopback = is_loopback(urlsplit(origin).hostname or "")
    if parts.scheme.lower() == "http" and not loopback:
        return False
    try:
        address = ip_address(host)
    except ValueError:
        # A name; what it stands for is judged when it is connected to. One that ends in a number is
        # an address in disguise.
        return not _NUMBER.fullmatch(host.rpartition(".")[2]) and (
            loopback or not is_loopback(host)
        )
    return is_allowed_address(address, loopback=loopback)


def is_allowed_address(address: IPv4Address | IPv6Address | str, *, loopback: bool) -> bool:
    """Whether a link may be followed to an address: a public one.

    Args:
        address: The address that is connected to.
        loopback: Whether this machine's own are allowed.
    """
    address = ip_address(address.partition("%")[0]) if isinstance(address, str) else address
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        address = address if inner is None else inner
    if address.is_loopback:
        return loopback
    return address.is_global and not address.is_multicast
