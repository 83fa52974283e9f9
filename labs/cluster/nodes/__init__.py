"""The process kubelet: one asyncio service that is every node of the embedded cluster.

No kubelet runs without root, so this plays its role towards the API server and runs containers as jailed processes.
May use ``labs.jail``, ``labs.services``, ``labs.errors`` and ``labs.cluster.controlplane``.

    services.py     the service ``nodes``, a part of ``kubernetes``
    __main__.py     starts it: identity, API client, nodes, pods, HTTPS server
    access.py       what the nodes may do (RBAC)
    api.py          the API server's JSON over HTTP, with watches
    node.py         registration, Lease, status
    declared.py     nodes.json: which nodes there are, and their faults
    fleet.py        nodes come, go, break and are healed at run time
    orders.py       the socket through which `lab nodes` asks for that
    disk.py         a slow disk
    pressure.py     a node that runs short: conditions, eviction
    pods.py         which pods are ours, and the worker of each
    worker.py       one pod from its assignment to its end
    states.py       what a pod's status says of its containers (pure)
    backoff.py      how long a failing container or image waits
    containers.py   containers on disk: started, found again, ended
    shim.py         the process beside each container: starts its jail, keeps its log, notes its end
    quota.py        a container's limit of processors
    sandbox.py      what a container's jail grants
    environment.py  env, envFrom, downward API, ``$(VAR)``
    volumes.py      the folders that are mounted
    images.py       where programs come from: a Protocol, and the host's own
    pulls.py        images of the store, pulled from registries; errors in containerd's words
    roots.py        a container of an image: its root, its user, the files a node adds
    probes.py       exec, http, tcp and gRPC probes
    events.py       events with upstream's reasons
    logs.py         log files in the format of the CRI
    hooks.py        postStart and preStop
    grpc.py         the question of a gRPC probe
    usage.py        what containers use, measured
    metrics.py      the metrics API, behind an APIService
    summary.py      the use of a node's pods, as a kubelet's /stats/summary
    issuer.py       the OIDC issuer's documents, for pods
    visits.py       commands inside a container that runs
    streams.py      exec and attach over WebSockets
    forwarding.py   port-forward, and the frames it comes in (spdy.py)
    server.py       what the API server asks a kubelet: logs, exec, attach, port-forward
"""
