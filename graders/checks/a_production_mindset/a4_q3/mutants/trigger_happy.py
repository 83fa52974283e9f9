r"""ends\s+by\s+itself:\s+no\s+action\s+\(1\s+point\)[\s\S]*until\s+it\s+is\s+worth

Acts on half a second.
"""
alert = {"seen_by": "customers", "seconds": 1, "failed_share": 0.1}
runbook = [{"if": {"pods_missing": True}, "do": "scale"}, {"if": {"changed_within": 120}, "do": "rollback"},
           {"if": {}, "do": "restart"}]
