"""Where a call on loopback seems to come from.

Linux lets any program send from any address of 127.0.0.0/8, so a lab that wants a call "from elsewhere" binds one, and
the gateway reads it back: the documentation address a.b.c.d (RFC 5737) is the loopback address 127.b.c.d, as a pod's
10.244.x.y is 127.244.x.y.  Only these three networks are translated; every other peer is shown as it is.  The network
of a documentation address also says what it stands for: :data:`AWS` is where an account's own NAT gateways and Elastic
IP addresses are, the two others are the internet.
"""

from __future__ import annotations

import ipaddress

AWS = ipaddress.IPv4Network("203.0.113.0/24")
INTERNET = (ipaddress.IPv4Network("192.0.2.0/24"), ipaddress.IPv4Network("198.51.100.0/24"))
_BY_TAIL = {str(network[0]).split(".", 1)[1].rpartition(".")[0]: network for network in (AWS, *INTERNET)}


def appearing(peer: str) -> str:
    """The address that a peer is seen under, e.g. ``127.51.100.7`` → ``198.51.100.7``."""
    if not peer.startswith("127."):
        return peer
    tail, _, last = peer.removeprefix("127.").rpartition(".")
    network = _BY_TAIL.get(tail)
    return f"{str(network[0]).rpartition('.')[0]}.{last}" if network else peer


def loopback(address: str) -> str:
    """The loopback address to send from in order to appear under a documentation address.

    :raises ValueError: no address of the three documentation networks
    """
    if not within(address, AWS, *INTERNET):
        raise ValueError(f"{address} is in none of {AWS}, {', '.join(map(str, INTERNET))}")
    return "127." + address.split(".", 1)[1]


def on_the_internet(address: str) -> bool:
    """Whether an address stands for the internet: outside of AWS and of this machine."""
    return within(address, *INTERNET)


def within(address: str, *networks: ipaddress.IPv4Network) -> bool:
    """Whether a text is an IPv4 address in one of the networks."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return found.version == 4 and any(found in network for network in networks)
