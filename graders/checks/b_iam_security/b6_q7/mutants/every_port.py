r"""✓ ok\s+an\s+intruder\s+in\s+\w+\s+connects\s+to[\s\S]*✗ failed\s+the\s+intruder\s+connects\s+to\s+\w+,\s+port\s+9090[\s\S]*more\s+ports

Names the pods and leaves out the ports.
"""
### SOLUTION
for each in policies:
    for rule in [*each["spec"].get("ingress", []), *each["spec"].get("egress", [])]:
        if "53" not in str(rule):
            rule.pop("ports", None)
