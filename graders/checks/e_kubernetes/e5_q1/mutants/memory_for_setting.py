r"""observed:\s+memory-limit[\s\S]*read\s+what\s+the\s+last\s+attempt\s+wrote

Takes every crash loop for a lack of memory.
"""
import hashlib

def digest(label):
    return hashlib.blake2b(label.encode(), key=values["room"].encode(), digest_size=32).hexdigest()

order = [values["apps"][i] for i in sorted(range(len(values["apps"])), key=lambda i: digest(f"assigned:{i}"))]
by = dict(zip(values["causes"], order))
causes = {app: cause for cause, app in by.items()}
causes[by["bad-setting"]] = "memory-limit"
