r"""(works\s+again|stay\s+so)[\s\S]*(Evicted|ephemeral)

Twice as much room for files, which is still too little.
"""
### SOLUTION
repairs[by["disk-limit"]] = container(resources={"limits": {"ephemeral-storage": "16Mi"}})
