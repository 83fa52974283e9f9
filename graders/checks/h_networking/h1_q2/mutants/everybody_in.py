r"""no\s+business\s+with\s+the\s+shop[\s\S]*open:\s+frontend[\s\S]*not\s+by\s+letting\s+everybody\s+in

Repairs the policies by letting everybody in.
"""
### SOLUTION
for each in repairs:
    if each["kind"] == "NetworkPolicy":
        del each["spec"]["ingress"][0]["from"]
