r"""Is zero even\?"""

evens = [2, 4, 6, 8]
