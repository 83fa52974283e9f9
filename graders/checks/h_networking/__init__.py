"""Checks of section H: routes, names and certificates of the learner are put to use, and requests are followed."""
