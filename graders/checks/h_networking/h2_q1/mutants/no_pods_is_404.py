"""Which pods does that Service have"""
### SOLUTION
for case in values["cases"]:
    if case["path"] == "/find/tea":
        predictions[case["id"]] = "404"
