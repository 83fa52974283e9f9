"""The network of the embedded cluster, on loopback: addresses, the ways between pods, Services and the API server.

Linux answers on every address of 127.0.0.0/8, so each address of the cluster has an end there.  Everything runs in the
process that plays the nodes.  May use ``labs.errors``, ``labs.jail`` and the nodes' client of the API server.

    addresses.py    10.244.x.y and 10.96.x.y, and their ends on loopback
    forward.py      two connections joined into one
    table.py        Services, endpoints, policies, pods, as the watches tell
    routing.py      which endpoint a connection gets (pure)
    policy.py       NetworkPolicy (pure)
    names.py        names of the cluster (pure)
    router.py       where a connection goes
    egress.py       the API server's way into the cluster
    ends.py         the API server for who connects to pods by himself
    door.py         the pods' way: HTTP proxy, and the start-up shim's questions
    listeners.py    Services' addresses for programs of this machine
    dns.py          the cluster's DNS server
    startup/        what Python programs in pods import first
    plane.py        all of it together, and what a container is given
"""
