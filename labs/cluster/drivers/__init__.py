"""Ways to run pods, each a small class with the same words: today jailed processes, a cluster's drivers beside it."""
