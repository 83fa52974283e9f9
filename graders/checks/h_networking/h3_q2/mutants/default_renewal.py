r"""days,\s+renewed\s+\d+\.\d\s+before[\s\S]*renewBefore

Without renewBefore a third of the time is left.
"""
### SOLUTION
del manifests[0]["spec"]["renewBefore"]
