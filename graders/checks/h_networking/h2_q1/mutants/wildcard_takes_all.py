"""How many labels does the asterisk"""
### SOLUTION
for case in values["cases"]:
    if case["path"] == "/":
        predictions[case["id"]] = values["apps"]["next"]
