r"""its\s+target\s+answers[\s\S]*(no\s+target\s+is\s+healthy|did\s+not\s+answer)

Takes away the target that is down, and leaves the health check and the port as they are.
"""
### SOLUTION
calls = [each for each in calls if each["call"] not in ("modify_target_group", "register_targets", "deregister_targets")]
calls.append({"service": "elbv2", "call": "deregister_targets", "with": {
    "TargetGroupArn": "$group", "Targets": [{"Id": "127.207.255.254", "Port": 9}]}})
