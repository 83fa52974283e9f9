"""The control plane of the embedded cluster: upstream's own programs, as ordinary processes on loopback.

May use ``labs.toolbox``, ``labs.services`` and ``labs.errors``.  No nodes, network or images here: a pod is accepted
and scheduled, and runs once something plays the kubelet.

    services.py   the four services, registered with the supervisor: etcd, the API server (``kubernetes``), …
    __main__.py   becomes one of them: makes what it needs, then execs the program
    flags.py      the command line of each program
    pki.py        certificates and keys of one cluster, made once
    access.py     kubeconfig files
    accounts.py   service accounts of programs of this machine, and their tokens
    reset.py      the cluster back to its start
"""
