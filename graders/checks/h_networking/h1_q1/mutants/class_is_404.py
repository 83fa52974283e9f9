r"""(class|host):[\s\S]*something\s+else\s+happened

Thinks of the rules of an Ingress, and not of the certificate that comes before them.
"""
### SOLUTION
predictions = {name: (["Ingress route", "404"] if name in ("class", "host") and said[1] != "404" else
                      ["Connection", "certificate refused"] if name == "host" else said)
               for name, said in predictions.items()}
