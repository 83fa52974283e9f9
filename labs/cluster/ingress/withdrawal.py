"""Taking a namespace's routes from Traefik at once, before the namespace goes: that takes seconds, in which whoever
comes for the same host would still be sent there.
"""

from __future__ import annotations

import http.client
import json

from labs.cluster.ingress.flags import Listeners
from labs.cluster.space import Space, until
from labs.errors import TemporaryError

KINDS = ("Ingress", "HTTPRoute")
WITHDRAWN_WITHIN = 10.0
ANSWERED_WITHIN = 3.0


def withdraw(space: Space, listeners: Listeners) -> bool:
    """Delete the routes of a namespace, in a cluster with the Gateway API; whether Traefik has none of them any more.

    :raises TemporaryError: the API server does not answer
    """
    for kind in KINDS:
        if space.list(kind):
            space.delete_all(kind)
    return bool(until(lambda: not any(space.name in name for name in routers(listeners)), WITHDRAWN_WITHIN))


def routers(listeners: Listeners) -> list[str]:
    """Names of the routers that Traefik has now; the namespace of what each was made of is in it.

    :raises TemporaryError: Traefik does not answer
    """
    connection = http.client.HTTPConnection("127.0.0.1", listeners.api, timeout=ANSWERED_WITHIN)
    try:
        connection.request("GET", "/api/rawdata")
        return list(json.loads(connection.getresponse().read()).get("routers") or {})
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise TemporaryError(f"Traefik's API on port {listeners.api}: {error!r}") from error
    finally:
        connection.close()
