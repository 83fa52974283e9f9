r"""also\s+different:[\s\S]*volumes[\s\S]*may\s+mean\s+other\s+bytes

Production names a build by its tag.
"""
### SOLUTION
overlays["prod"]["patches"][0]["patch"].append(
    {"op": "replace", "path": "/spec/template/spec/volumes/0/image/reference", "value": "shop:1.4.0"})
