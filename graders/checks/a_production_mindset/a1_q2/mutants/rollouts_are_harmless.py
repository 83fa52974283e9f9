r"""you\s+predicted\s+'nothing';\s+customers\s+noticed\s+'lost\s+carts'[\s\S]*What\s+becomes\s+of\s+its\s+memory

A rolling update loses nothing.
"""
### SOLUTION
noticed |= {case["id"]: "nothing" for case in values["cases"] if case["event"] == "restart" and case["with"] == ["sticky"]}
