r"""Namespace:[\s\S]*strict[\s\S]*API\s+server\s+takes

A level that there is not.
"""
### SOLUTION
namespace_labels = {"pod-security.kubernetes.io/enforce": "strict"}
