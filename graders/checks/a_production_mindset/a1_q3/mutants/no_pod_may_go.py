r"""a\s+drain\s+of\s+all\s+its\s+nodes[\s\S]*not\s+over[\s\S]*lets\s+them\s+end

A budget that never lets go.
"""
### SOLUTION
budget["spec"] = {"minAvailable": 2, "selector": budget["spec"]["selector"]}
