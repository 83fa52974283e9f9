r"""pod\s+with\s+hostNetwork[\s\S]*the\s+pod\s+was\s+started[\s\S]*only\s+tell\s+somebody

Warns about every such pod, and lets it in.
"""
### SOLUTION
namespace_labels = {"pod-security.kubernetes.io/warn": "restricted", "pod-security.kubernetes.io/audit": "restricted"}
