"""Section E, Kubernetes at production level: workloads that start slowly, hang, lose what they need, or never start."""
