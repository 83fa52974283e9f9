"""DNS that answers from Route 53's hosted zones: `lab up dns`.

The zones are the API's, read through the gateway; who asks decides which of them count.  dnslib reads and writes the
messages.  Four kinds of server, each on an address of its own and all on one port:

    public     a resolver of the internet: public zones only; it caches
    vpc-…      the resolver of a VPC ("VPC+2"): the private zones associated with it come first; it caches
    authority  Route 53's name servers: public zones, no cache, no recursion

    zones.py      hosted zones and their records, and which of them answers for a name
    routing.py    which record a routing policy chooses
    hosted.py     one hosted zone's answer: wildcards, policies, aliases, health
    probes.py     one check of an endpoint
    health.py     health checks: intervals, thresholds, states
    reading.py    zones, VPCs and health checks from the API
    cache.py      what a resolver remembers, and for how long
    resolver.py   from a question to an answer, step by step, with the reasons
    messages.py   questions and answers as dnslib has them
    server.py     the listeners, the refreshing, the explanations
    asking.py     questions to a server, and what the service tells
    running.py    the same servers within a process
    services.py   the service
    __main__.py   the program

What differs from AWS: no DNSSEC, no EDNS client subnet, no reverse zones of VPCs, no Resolver endpoints; latency and
location policies answer as for us-east-1.  Everything else is where it differs.
"""
