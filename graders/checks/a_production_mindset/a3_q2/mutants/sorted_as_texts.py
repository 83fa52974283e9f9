r"""just\s+enough\s+\(0.5\s+points\)[\s\S]*compared\s+as\s+numbers

Sorts the bounds as the texts that they are.
"""
### SOLUTION

def threshold(buckets, objective):
    bounds = sorted(each for each in buckets if each != "+Inf")
    return next((float(each) for each in bounds if buckets[each] >= objective * buckets["+Inf"]), None)
