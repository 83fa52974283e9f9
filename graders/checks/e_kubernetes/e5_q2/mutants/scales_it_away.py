r"""it\s+has\s+no\s+replicas

Nothing is broken where nothing runs.
"""
### SOLUTION
repairs[by["image-name"]] = {"spec": {"replicas": 0}}
