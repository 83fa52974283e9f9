"""Where pods run.  ``drivers.processes`` runs them as jailed processes with an identity of their own; ``metadata`` is
the instance metadata service and the Pod Identity agent of the node they run on.

May use ``labs.jail``, ``labs.services`` and ``labs.errors``; knows the AWS gateway by its URL only.
"""
