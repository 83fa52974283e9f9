r"""case-5[\s\S]*you\s+predicted\s+198.51.100.10[\s\S]*do\s+not\s+exist

Lets the wildcard answer for a name that exists.
"""
### SOLUTION
answers["case-5"] = "198.51.100.10"
