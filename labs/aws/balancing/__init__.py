"""The data plane of Application Load Balancers: `lab up load-balancers`.

It serves what Elastic Load Balancing's API says on the AWS endpoint: each load balancer at an address of its own on
loopback, its listeners on their ports, rules by priority, targets as their health checks find them.  HTTP/1.1 only:
no HTTP/2, gRPC, WebSockets, mutual TLS, authentication actions or Lambda targets; no Network Load Balancers.

    addresses.py      where a load balancer and a target are on this machine
    configuration.py  what the API says, as objects
    conditions.py     does a rule match a request?
    actions.py        what a rule does with one
    security.py       what security groups let through
    health.py         health checks, and states with AWS's reasons
    proxy.py          one request
    records.py        the access log
    certificates.py   TLS by the name that is asked for
    plane.py          keeps all of it as the API says
    services.py       the service
    __main__.py       the program

May import the gateway's addresses; nothing of it imports this.
"""
