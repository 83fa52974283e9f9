"""element by element"""
### SOLUTION
for case in values["cases"]:
    if case["path"] == "/apis":
        predictions[case["id"]] = values["apps"]["api"]
