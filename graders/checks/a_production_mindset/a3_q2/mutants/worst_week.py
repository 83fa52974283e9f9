r"""one\s+of\s+them\s+bad\s+\(1\s+point\)[\s\S]*counts\s+together\s+with\s+its\s+neighbours

Judges each week alone.
"""
def strictest(weeks, candidates):
    worst = min(1 - each["failed"] / each["requests"] for each in weeks)
    return max((each for each in candidates if worst >= each), default=None)

def threshold(buckets, objective):
    bounds = [float(each) for each in buckets if each != "+Inf" and buckets[each] >= objective * buckets["+Inf"]]
    return min(bounds, default=None)

