r"""bad\s+release:\s+the\s+first\s+action\s+is\s+the\s+right\s+one\s+\(1\s+point\)[\s\S]*What\s+holds\s+after\s+a\s+rollout

The restart comes first.
"""
alert = {"seen_by": "customers", "seconds": 4, "failed_share": 0.25}
runbook = [{"if": {"pods_missing": True}, "do": "scale"}, {"if": {}, "do": "restart"},
           {"if": {"changed_within": 120}, "do": "rollback"}]
