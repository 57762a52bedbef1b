"""Where a request came from: the network's word, and that of as many proxies as an operator says there are."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest

FOUR, HOUSEHOLD_BITS = 4, 64
NOWHERE = "::"  # The address that nobody has: a request through a socket file has none.


def address_of(request: HttpRequest) -> str:
    """Each proxy of ours adds the address it heard from at the end: what stands before that anybody may invent."""
    heard = str(request.META.get("REMOTE_ADDR", ""))
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    proxies: int = settings.STEWARD_PROXIES
    said = [*forwarded, heard][-1 - proxies] if proxies <= len(forwarded) else heard
    try:
        address = _unmapped(ipaddress.ip_address(said))
    except ValueError:
        return NOWHERE
    # A household has as many of these as there are stars: it is one caller.
    return (
        str(address)
        if address.version == FOUR
        else str(ipaddress.ip_network((address, HOUSEHOLD_BITS), strict=False)[0])
    )


def _unmapped(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """A server that listens on both writes `::ffff:192.0.2.7`: all of those would be one household."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
