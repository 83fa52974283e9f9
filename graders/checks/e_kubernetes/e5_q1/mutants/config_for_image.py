r"""observed:\s+config-key[\s\S]*letter\s+by\s+letter

A container that was never made is a matter of configuration.
"""
import hashlib

def digest(label):
    return hashlib.blake2b(label.encode(), key=values["room"].encode(), digest_size=32).hexdigest()

order = [values["apps"][i] for i in sorted(range(len(values["apps"])), key=lambda i: digest(f"assigned:{i}"))]
by = dict(zip(values["causes"], order))
causes = {app: cause for cause, app in by.items()}
causes[by["image-name"]] = "config-key"
