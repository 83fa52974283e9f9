r"""selector

Changes the version of the manifest and nothing else.
"""
### SOLUTION
del repairs[by["removed-api"]]["spec"]["selector"]
