r"""two\s+pods\s+\(1.5\s+points\)[\s\S]*since\s+the\s+process\s+began

Takes what the last scrape shows.
"""
def indicators(scrapes):
    sums = {name: sum(pod[name] for pod in scrapes[-1]["pods"].values()) for name in ("answered", "failed", "fast")}
    answered = sums["answered"]
    return {"answered": answered, "failed": sums["failed"],
            "availability": 1 - sums["failed"] / answered if answered else None,
            "fast": sums["fast"] / answered if answered else None}

def budget(requests, failed, objective):
    allowed = (1 - objective) * requests
    return {"allowed": allowed, "left": 1 - failed / allowed}

