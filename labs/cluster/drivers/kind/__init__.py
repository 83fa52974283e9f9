"""A cluster of kind: real kubelets and containerd in Docker containers ("kind – Quick Start", kind.sigs.k8s.io).

    driver.py        the driver and its service
    cluster.py       making, finding again and removing the cluster
    docker.py        what is asked of Docker, and what its refusals mean
    host_image.py    this machine's Python as an image: ``host`` and ``host/python3``
    connection.py    the AWS endpoint for pods, and the API server's fixed address
    admission.yaml   what the API server changes in pods, so that manifests of the embedded cluster work
    __main__.py      the service's process, and the commands before and after it

The cluster belongs to one state folder: its name is random and noted in ``HOME/kind/cluster.json`` before the first
container is made, so that whatever bears that name is ours to remove.  Nothing else in Docker is ever removed.
"""

from labs.cluster.drivers.kind.driver import DRIVER

__all__ = ["DRIVER"]
