"""Checks of section E: the answer is applied in a namespace of its own, and what the pods then do is the verdict."""
