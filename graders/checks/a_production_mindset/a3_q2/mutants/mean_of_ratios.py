r"""very\s+different\s+size\s+\(0.5\s+points\)[\s\S]*counts\s+the\s+same

The mean of the weeks' shares.
"""
def strictest(weeks, candidates):
    shares = [1 - each["failed"] / each["requests"] for each in weeks]
    means = [sum(shares[index:index + 4]) / 4 for index in range(len(shares) - 3)]
    return max((each for each in candidates if min(means) >= each), default=None)

def threshold(buckets, objective):
    bounds = [float(each) for each in buckets if each != "+Inf" and buckets[each] >= objective * buckets["+Inf"]]
    return min(bounds, default=None)

