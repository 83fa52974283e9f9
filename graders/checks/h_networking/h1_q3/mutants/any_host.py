r"""open\s+for\s+the\s+shop[\s\S]*behind\s+the\s+load\s+balancer\s+for\s+the\s+host\s+other

A rule for every host below the domain.
"""
### SOLUTION
for each in calls:
    if each["call"] == "modify_rule":
        each["with"]["Conditions"] = [{"Field": "path-pattern", "Values": ["*"]}]
