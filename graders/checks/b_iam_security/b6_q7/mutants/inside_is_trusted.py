r"""connects\s+to\s+\w+\s+\(1\s+points?\)\n\s+observed:\s+connected[\s\S]*compare\s+each\s+rule's\s+podSelector

Inside of the namespace everybody may talk to everybody.
"""
### SOLUTION
policies.append({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "inside"},
                 "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"],
                          "ingress": [{"from": [{"podSelector": {}}]}], "egress": [{"to": [{"podSelector": {}}]}]}})
