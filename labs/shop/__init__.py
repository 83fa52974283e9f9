"""The shop: the example application that the course operates.  A small ordinary web service on PostgreSQL.

``python -m labs.shop`` runs it; its settings come from the environment (:mod:`labs.shop.config`).
``python -m labs.shop.load URL`` sends it traffic at a fixed rate.
It knows nothing of labs, notebooks or graders; of AWS it knows one call, ``GetSecretValue``.
"""
