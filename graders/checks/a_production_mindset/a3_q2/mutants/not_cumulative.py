r"""hundred\s+thousand\s+requests\s+\(1\s+point\)[\s\S]*buckets\s+are\s+cumulative

Adds the buckets up.
"""
### SOLUTION

def threshold(buckets, objective):
    seen = 0
    for bound, count in buckets.items():
        seen += count
        if bound != "+Inf" and seen >= objective * buckets["+Inf"]:
            return float(bound)
    return None
