r"""takes\s+the\s+shop's\s+name\s+only[\s\S]*rule\s+for\s+every\s+host

A rule without a host fits whatever the host was.
"""
### SOLUTION
del repairs[1]["spec"]["rules"][0]["host"]
