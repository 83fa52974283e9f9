r"""the\s+answer\s+to\s+a\s+PUT\s+only

Lets the hop limit stop a plain GET from a pod.
"""
predictions = {}
for case in values["cases"]:
    if case["version"] == 1:
        outcome = "credentials" if case["tokens"] == "optional" else "401"
    else:
        hops = 1 if case["network"] == "host" else 2
        outcome = "credentials" if hops <= case["hop_limit"] else "no answer"
    predictions[case["id"]] = outcome
    if case["network"] == "pod" and case["hop_limit"] == 1:
        predictions[case["id"]] = "no answer"
