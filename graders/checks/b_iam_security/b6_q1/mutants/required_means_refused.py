r"""who\s+holds\s+a\s+token\s+may\s+ask

Believes that required tokens keep everybody out.
"""
predictions = {}
for case in values["cases"]:
    if case["version"] == 1:
        outcome = "credentials" if case["tokens"] == "optional" else "401"
    else:
        hops = 1 if case["network"] == "host" else 2
        outcome = "credentials" if hops <= case["hop_limit"] else "no answer"
    predictions[case["id"]] = outcome
    if case["tokens"] == "required":
        predictions[case["id"]] = "401"
