r"""policy:[\s\S]*something\s+else\s+happened[\s\S]*it\s+is\s+not\s+answered

Takes a policy for a refusal.
"""
### SOLUTION
predictions["policy"] = ["Pod", "502"]
