r"""not\s+because\s+of\s+the\s+identity-based\s+policy|you\s+predicted\s+implicit\s+deny;\s+the\s+endpoint\s+allowed

Takes every case for the simplest one: nothing in the identity policies allows it.
"""
predictions = {f"case-{n}": {"verdict": "implicit deny", "by": "identity-based policy"} for n in range(1, 9)}
