r"""cannot\s+read\s+what\s+it\s+needs[\s\S]*configmaps[\s\S]*forbidden[\s\S]*reads\s+one\s+ConfigMap

Least privilege, and one too little: the app reads its ConfigMap as well.
"""
### SOLUTION
access[0]["rules"] = [rule for rule in access[0]["rules"] if rule["resources"] != ["configmaps"]]
