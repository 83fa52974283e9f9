"""The shop: the example application that the course operates.  A small ordinary web store.

``python -m labs.shop frontend`` serves its pages, ``python -m labs.shop`` the data behind them (PostgreSQL, DynamoDB or
memory), ``python -m labs.shop migrate`` prepares the data; settings come from the environment
(:mod:`labs.shop.config`, ``docs/shop.md``).  ``python -m labs.shop.load URL`` sends it traffic at a fixed rate.
Containers and Kubernetes objects are in ``deploy/``.

It knows nothing of labs, notebooks or graders; labs break it through its fault switch (:mod:`labs.shop.faults`).
"""
