r"""misspelt\s+name\s+still\s+answers[\s\S]*wildcard

Has a wildcard answer for www, and for everything else.
"""
### SOLUTION
for each in private_changes:
    if each["ResourceRecordSet"]["Name"].startswith("www."):
        each["ResourceRecordSet"]["Name"] = "*." + values["domain"]
