r"""✓ ok\s+an\s+intruder\s+starts\s+a\s+privileged\s+pod[\s\S]*runs\s+as\s+root[\s\S]*the\s+pod\s+was\s+started[\s\S]*give\s+up\s+root

Baseline forbids the host's namespaces and files; root stays allowed.
"""
### SOLUTION
namespace_labels = {"pod-security.kubernetes.io/enforce": "baseline"}
