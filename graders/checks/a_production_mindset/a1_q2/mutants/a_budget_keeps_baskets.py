r"""you\s+predicted\s+'nothing'[\s\S]*what\s+leaves\s+with\s+a\s+pod

A budget keeps the data, too.
"""
### SOLUTION
noticed |= {case["id"]: "nothing" for case in values["cases"] if case["with"] == ["budget"]}
