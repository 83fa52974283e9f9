"""Ingresses of its own class only"""
### SOLUTION
ingress["spec"]["ingressClassName"] = "traefik"
