r"""began\s+anew\s+\(1.5\s+points\)[\s\S]*A\s+counter\s+only\s+falls

Last minus first, without looking between.
"""
def indicators(scrapes):
    def total(scrape, name):
        return sum(pod[name] for pod in scrape["pods"].values())

    sums = {name: total(scrapes[-1], name) - total(scrapes[0], name) for name in ("answered", "failed", "fast")}
    answered = sums["answered"]
    return {"answered": answered, "failed": sums["failed"],
            "availability": 1 - sums["failed"] / answered if answered else None,
            "fast": sums["fast"] / answered if answered else None}

def budget(requests, failed, objective):
    allowed = (1 - objective) * requests
    return {"allowed": allowed, "left": 1 - failed / allowed}

