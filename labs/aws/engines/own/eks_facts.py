"""What EKS offers, on 2026-11-25: Kubernetes versions, add-ons, access policies.

Pages: "Understand the Kubernetes version lifecycle on EKS", "Amazon EKS add-ons", "Review access policy permissions"
(Amazon EKS User Guide).  Add-on builds differ from day to day; those here are one build each.
"""

from __future__ import annotations

# version -> (standard support ends, extended support ends)
VERSIONS = {
    "1.31": ("2025-11-26", "2026-11-26"),
    "1.32": ("2026-03-23", "2027-03-23"),
    "1.33": ("2026-07-29", "2027-07-29"),
    "1.34": ("2026-12-02", "2027-12-02"),
    "1.35": ("2027-03-27", "2028-03-27"),
    "1.36": ("2027-08-02", "2028-08-02"),
}
DEFAULT_VERSION = "1.35"

# add-on -> (build, namespace, newest first per Kubernetes minor where it follows the cluster's)
ADDONS = {
    "vpc-cni": ("v1.20.4-eksbuild.1", "kube-system", "networking"),
    "coredns": ("v1.12.4-eksbuild.1", "kube-system", "networking"),
    "kube-proxy": ("v{version}.3-eksbuild.2", "kube-system", "networking"),
    "aws-ebs-csi-driver": ("v1.51.0-eksbuild.1", "kube-system", "storage"),
    "aws-efs-csi-driver": ("v2.1.13-eksbuild.1", "kube-system", "storage"),
    "snapshot-controller": ("v8.3.0-eksbuild.1", "kube-system", "storage"),
    "eks-pod-identity-agent": ("v1.3.9-eksbuild.3", "kube-system", "security"),
    "metrics-server": ("v0.8.0-eksbuild.2", "kube-system", "observability"),
    "amazon-cloudwatch-observability": ("v4.5.0-eksbuild.1", "amazon-cloudwatch", "observability"),
    "adot": ("v0.131.0-eksbuild.1", "opentelemetry-operator-system", "observability"),
    "cert-manager": ("v1.18.2-eksbuild.2", "cert-manager", "security"),
}

ACCESS_POLICIES = (
    "AmazonEKSAdminPolicy",
    "AmazonEKSAdminViewPolicy",
    "AmazonEKSClusterAdminPolicy",
    "AmazonEKSEditPolicy",
    "AmazonEKSViewPolicy",
    "AmazonEKSAutoNodePolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
    "AmazonEKSHybridPolicy",
)
LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")


def addon_build(name: str, version: str) -> str:
    """The build of an add-on for a Kubernetes minor."""
    return ADDONS[name][0].format(version=version)
