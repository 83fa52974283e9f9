r"""observed:\s+bad-setting[\s\S]*its\s+reason\s+and\s+exit\s+code

Does not look at the reason of the last state.
"""
import hashlib

def digest(label):
    return hashlib.blake2b(label.encode(), key=values["room"].encode(), digest_size=32).hexdigest()

order = [values["apps"][i] for i in sorted(range(len(values["apps"])), key=lambda i: digest(f"assigned:{i}"))]
by = dict(zip(values["causes"], order))
causes = {app: cause for cause, app in by.items()}
causes[by["memory-limit"]] = "bad-setting"
