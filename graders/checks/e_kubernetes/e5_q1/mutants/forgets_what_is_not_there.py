r"""observed:\s+no\s+cause[\s\S]*There\s+is\s+no\s+object\s+at\s+all

Goes through the pods only: the workload without any is forgotten.
"""
import hashlib

def digest(label):
    return hashlib.blake2b(label.encode(), key=values["room"].encode(), digest_size=32).hexdigest()

order = [values["apps"][i] for i in sorted(range(len(values["apps"])), key=lambda i: digest(f"assigned:{i}"))]
by = dict(zip(values["causes"], order))
causes = {app: cause for cause, app in by.items() if cause != "removed-api"}
