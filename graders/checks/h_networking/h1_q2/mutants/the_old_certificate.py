r"""accepts\s+the\s+certificate[\s\S]*certificate\s+has\s+expired

Takes the first certificate that is at hand.
"""
### SOLUTION
repairs[0]["stringData"] = {"tls.crt": values["old_certificate"]["certificate"],
                            "tls.key": values["old_certificate"]["key"]}
