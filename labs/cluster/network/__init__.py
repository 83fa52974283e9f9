"""The network of the embedded cluster, on loopback: addresses, the ways between pods, Services and the API server.

Linux answers on every address of 127.0.0.0/8, so each address of the cluster has an end there.  Everything runs in the
process that plays the nodes.  May use ``labs.errors``, ``labs.jail`` and the nodes' client of the API server.

    addresses.py    10.244.x.y and 10.96.x.y, and their ends on loopback
    forward.py      two connections joined into one
    egress.py       the API server's way into the cluster
    plane.py        all of it together
"""

from labs.cluster.network.plane import Network

__all__ = ["Network"]
