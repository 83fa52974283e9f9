r"""case-3[\s\S]*you\s+predicted\s+198.51.100.20[\s\S]*never\s+saw

Believes that a lowered TTL reaches caches at once.
"""
### SOLUTION
answers["case-3"] = "198.51.100.20"
