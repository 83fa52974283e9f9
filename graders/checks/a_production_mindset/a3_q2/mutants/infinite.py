r"""never\s+enough\s+\(0.5\s+points\)[\s\S]*is\s+no\s+threshold

Falls back to the largest bound.
"""
### SOLUTION

def threshold(buckets, objective):
    bounds = [float(each) for each in buckets if each != "+Inf"]
    return min((each for each in bounds if buckets[f"{each:g}"] >= objective * buckets["+Inf"]), default=max(bounds))
