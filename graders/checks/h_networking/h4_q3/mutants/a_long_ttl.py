r"""still\s+failed[\s\S]*and\s+then\s+the\s+TTL

Leaves the TTL at five minutes.
"""
### SOLUTION
for each in records:
    each["TTL"] = 300
