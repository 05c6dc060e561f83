"""Where a webhook may connect to: addresses of the public internet, checked and then connected to as they are.

The address that was checked is the one that is connected to. Were the name looked up again for the connection, its
owner could answer with a private address the second time (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import socket

import httpx

from jobs_app import conf
from jobs_app.authoring import Discard

PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
"""The only IPv6 addresses handed out for the public internet. Loopback, private, link-local, multicast, IPv4-mapped
and NAT64 addresses all lie outside."""

SPECIAL_6 = tuple(
    map(
        ipaddress.IPv6Network,
        # special registry with Teredo; documentation; 6to4, which holds an IPv4 address; documentation
        ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)
SPECIAL_4 = tuple(
    map(
        ipaddress.IPv4Network,
        # special registry; 6to4 relays; both missing from what Python 3.11 calls private
        ("192.0.0.0/24", "192.88.99.0/24"),
    )
)
MOST_ADDRESSES = 4


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        return parsed in PUBLIC_6 and not any(parsed in network for network in SPECIAL_6)
    return parsed.is_global and not parsed.is_multicast and not any(parsed in network for network in SPECIAL_4)


def permitted(url: httpx.URL) -> list[str]:
    """The addresses of the URL's host that may be connected to, in the resolver's order.

    Raises Discard if any of them is not public and the host is not in WEBHOOK_PRIVATE_HOSTS; OSError if the name
    cannot be resolved now.
    """
    host = url.raw_host.decode("ascii")
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise OSError(f"The host name {host} could not be resolved: {error}") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if _canonical(host) not in map(_canonical, conf.current().webhook_private_hosts):
        for address in addresses:
            if not is_public(address):
                raise Discard(
                    f"Webhooks go to public addresses only, and {host} has the address {address}. An administrator can "
                    "allow a host by naming it in WEBHOOK_PRIVATE_HOSTS"
                )
    return addresses[:MOST_ADDRESSES]


def _canonical(host: str) -> str:
    return host.strip("[]").rstrip(".").casefold()
