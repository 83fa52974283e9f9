r"""service-(name|port):[\s\S]*something\s+else\s+happened[\s\S]*makes\s+a\s+route\s+only

Thinks that a Service which is not there is unavailable.
"""
### SOLUTION
predictions = {name: ["Service", "503"] if name.startswith("service-") else said for name, said in predictions.items()}
