"""The command line of each program of the control plane.

What differs from a production cluster: no leader election and no fsync (one machine, one of each); a lost node is felt
within ten seconds; the HPA looks every two seconds; the audit log is on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labs.cluster.controlplane.pki import SERVICE_ADDRESS
from labs.cluster.identity import issuer
from labs.cluster.network.addresses import Ranges

NODE_LOST_AFTER = 7
"""Seconds without a heartbeat after which a node is NotReady."""
EVICTED_AFTER = 2
"""Seconds after which pods leave a node that is NotReady or unreachable (Kubernetes' default is 300): with the above,
and with what is looked at once a second, a lost node's pods are replaced within twelve."""


@dataclass(frozen=True)
class Place:
    """Where one cluster keeps its files.

    :param folder: ``kubernetes`` in the state folder
    :param etcd: etcd's Unix socket
    :param number: which of the clusters of this machine it is; each has addresses of its own
    """

    folder: Path
    etcd: Path
    number: int = 0

    @property
    def service_range(self) -> str:
        """Cluster IPs: 10.96.0.0/16 of the first cluster, 10.97.0.0/16 of the next."""
        return f"{Ranges(self.number).service_prefix}0.0/16"

    @property
    def pod_range(self) -> str:
        """Pods: 10.244.0.0/16 of the first cluster, 10.245.0.0/16 of the next."""
        return f"{Ranges(self.number).pod_prefix}0.0/16"

    @property
    def issuer(self) -> str:
        """The name under which the API server signs tokens."""
        return issuer.url_of(self.folder.parent)

    @property
    def pki(self) -> Path:
        """Certificates and keys; see :mod:`labs.cluster.controlplane.pki`."""
        return self.folder / "pki"

    def kubeconfig(self, identity: str) -> Path:
        """Of a component; the administrator's is in the state folder itself."""
        return self.folder / f"{identity}.kubeconfig"


def etcd(place: Place) -> list[str]:
    """One member, reached through a socket that only this user may open; its working folder is ``place.folder``."""
    # What is announced must be host:port, and is dialled by other members only: there are none.  etcd takes the host
    # part of a peer's unix URL for the path; without one it listens on an abstract socket, which any user may open.
    peer = "http://127.0.0.1:2380"
    return [
        "--name=labs", f"--data-dir={place.folder / 'etcd'}", "--unsafe-no-fsync",
        f"--listen-client-urls=unix://{place.etcd}", "--advertise-client-urls=http://127.0.0.1:2379",
        "--listen-peer-urls=unix://etcd-peer.sock", f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=labs={peer}", "--enable-grpc-gateway=false",
        "--auto-compaction-mode=revision", "--auto-compaction-retention=10000", "--quota-backend-bytes=536870912",
        "--log-level=warn",
        # alone it need not listen a second for others before it leads; five heartbeats are the least it takes
        "--heartbeat-interval=100", "--election-timeout=500",
    ]


_EGRESS = """\
apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: HTTPConnect
    transport: {{uds: {{udsName: "{socket}"}}}}
"""


def api_server(place: Place, port: int, egress: Path) -> list[str]:
    """On ``https://127.0.0.1:PORT``; writes the file that names its way into the cluster.

    :param egress: socket of a proxy (HTTP CONNECT) that reaches pods and nodes: their addresses are not this machine's
    """
    pki = place.pki
    selection = place.folder / "egress.yaml"
    selection.write_text(_EGRESS.format(socket=egress), encoding="utf-8")
    return [
        f"--etcd-servers=unix://{place.etcd}",
        "--bind-address=127.0.0.1", f"--secure-port={port}",
        # what the Service "kubernetes" shows for its endpoint: the network knows it as this server
        f"--advertise-address={Ranges(place.number).gateway}", "--external-hostname=127.0.0.1",
        f"--service-cluster-ip-range={place.service_range}",
        *_serving(pki, "apiserver"), f"--client-ca-file={pki / 'ca.crt'}",
        "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
        f"--service-account-issuer={place.issuer}", f"--service-account-jwks-uri={place.issuer}{issuer.JWKS}",
        f"--api-audiences={','.join(issuer.AUDIENCES)}",
        f"--service-account-signing-key-file={pki / 'sa.key'}", f"--service-account-key-file={pki / 'sa.pub'}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet-client.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}", "--kubelet-preferred-address-types=InternalIP",
        *_aggregation(pki),
        # to a Service's pods directly: a way into the cluster knows pods, and their Services by asking the API server
        f"--egress-selector-config-file={selection}", "--enable-aggregator-routing=true",
        f"--default-not-ready-toleration-seconds={EVICTED_AFTER}",
        f"--default-unreachable-toleration-seconds={EVICTED_AFTER}",
        f"--audit-policy-file={Path(__file__).with_name('audit-policy.yaml')}",
        f"--audit-log-path={place.folder / 'audit.log'}", "--audit-log-maxsize=20", "--audit-log-maxbackup=2",
        "--profiling=false",
    ]


def _aggregation(pki: Path) -> list[str]:
    """The only client that may say on whose behalf it calls has its own authority and its own name."""
    return [
        f"--proxy-client-cert-file={pki / 'front-proxy-client.crt'}",
        f"--proxy-client-key-file={pki / 'front-proxy-client.key'}",
        f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    ]


def controller_manager(place: Place, port: int) -> list[str]:
    """Every controller; metrics on ``https://127.0.0.1:PORT``."""
    pki = place.pki
    return [
        *_client(place, "controller-manager", port), "--use-service-account-credentials=true",
        # with the usual 20 a second it takes seconds to make an account and a token for every controller
        "--kube-api-qps=200", "--kube-api-burst=400",
        f"--service-account-private-key-file={pki / 'sa.key'}", f"--root-ca-file={pki / 'ca.crt'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}", f"--cluster-signing-key-file={pki / 'ca.key'}",
        "--allocate-node-cidrs=true", f"--cluster-cidr={place.pod_range}",
        f"--service-cluster-ip-range={place.service_range}",
        f"--node-monitor-grace-period={NODE_LOST_AFTER}s", "--node-monitor-period=1s",
        # the usual 0.1 keeps a second lost node of a zone waiting for ten seconds; with 1 a zone that was stopped
        # because no node was Ready stays so for ever: client-go's limiter that never accepts says that its rate is 1
        "--node-eviction-rate=2",
        "--horizontal-pod-autoscaler-sync-period=2s",
    ]


def scheduler(place: Place, port: int) -> list[str]:
    """The default scheduler; metrics on ``https://127.0.0.1:PORT``."""
    return _client(place, "scheduler", port)


def _client(place: Place, identity: str, port: int) -> list[str]:
    """What the two clients of the API server have in common."""
    kubeconfig = place.kubeconfig(identity)
    return [
        f"--kubeconfig={kubeconfig}", f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}", "--leader-elect=false",
        "--bind-address=127.0.0.1", f"--secure-port={port}", *_serving(place.pki, identity), "--profiling=false",
    ]


def _serving(pki: Path, identity: str) -> list[str]:
    return [f"--tls-cert-file={pki / f'{identity}.crt'}", f"--tls-private-key-file={pki / f'{identity}.key'}"]


__all__ = ["SERVICE_ADDRESS", "Place", "api_server", "controller_manager", "etcd", "scheduler"]
