r"""pods\s+come\s+and\s+go\s+\(1\s+point\)[\s\S]*was\s+not\s+in\s+the\s+scrape\s+before

Compares a pod with the scrape before only, and leaves out who was not in it.
"""
def indicators(scrapes):
    sums = dict.fromkeys(("answered", "failed", "fast"), 0)
    for before, now in zip(scrapes, scrapes[1:]):
        for pod, counts in now["pods"].items():
            if pod not in before["pods"]:
                continue
            old = before["pods"][pod]
            if counts["answered"] < old["answered"]:
                old = dict.fromkeys(sums, 0)
            for name in sums:
                sums[name] += counts[name] - old[name]
    answered = sums["answered"]
    return {"answered": answered, "failed": sums["failed"],
            "availability": 1 - sums["failed"] / answered if answered else None,
            "fast": sums["fast"] / answered if answered else None}

def budget(requests, failed, objective):
    allowed = (1 - objective) * requests
    return {"allowed": allowed, "left": 1 - failed / allowed}

