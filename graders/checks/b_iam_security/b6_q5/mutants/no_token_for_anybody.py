r"""cannot\s+read\s+what\s+it\s+needs[\s\S]*No\s+such\s+file[\s\S]*The\s+app\s+uses\s+its\s+token

Keeps the token from the app, too.
"""
### SOLUTION
access.append({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": values["app"]},
               "automountServiceAccountToken": False})
