"""Where pods run: the clusters that `lab up kubernetes` can mean, and jailed processes without a cluster.

    base.py          what a cluster driver is, and which one LABS_KUBERNETES chose
    embedded.py      the control plane and the process nodes of ours
    kind/            containers of Docker as nodes
    kubeconfig.py    a cluster that is somebody's
    services.py      the service ``kubernetes`` of the chosen one
    processes.py     pods as jailed processes, without a cluster
"""
