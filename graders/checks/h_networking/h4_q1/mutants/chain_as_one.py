r"""case-4[\s\S]*you\s+predicted\s+198.51.100.10[\s\S]*own\s+TTL

Keeps the whole chain for the longer TTL.
"""
### SOLUTION
answers["case-4"] = "198.51.100.10"
