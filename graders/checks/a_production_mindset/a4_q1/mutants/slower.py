r"""second\s+one\s+was\s+shorter\s+\(0.5\s+points\)[\s\S]*where\s+is\s+its\s+time\s+longer

The two drills are exchanged.
"""
### SOLUTION
record = {"by hand": {"detect": 3.0, "recover": 9.0}, "by runbook": {"detect": 12.0, "recover": 40.0}}
