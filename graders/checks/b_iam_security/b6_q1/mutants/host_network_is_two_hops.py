r"""stands\s+where\s+the\s+node\s+stands

Counts every pod as two hops away.
"""
predictions = {}
for case in values["cases"]:
    if case["version"] == 1:
        outcome = "credentials" if case["tokens"] == "optional" else "401"
    else:
        hops = 2
        outcome = "credentials" if hops <= case["hop_limit"] else "no answer"
    predictions[case["id"]] = outcome
