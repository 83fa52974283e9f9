"""A teaching stand-in for the AWS Load Balancer Controller: `lab up load-balancer-controller`.

It does for Ingresses of the class ``alb`` what the real one does ("Ingress annotations", AWS Load Balancer Controller
documentation 3.x): load balancer, listeners, rules, target groups and targets on the AWS endpoint, with its names,
tags, events and finalizers, by its own role.  It is a few hundred lines on kopf, and leaves out: Services of type
LoadBalancer, its Gateway API, TargetGroupBindings and IngressClassParams as objects, WAF and Shield, authentication,
IPv6, finding certificates by host names, pod readiness gates.

    annotations.py  what an Ingress and its Services say
    naming.py       names and tags
    model.py        Ingresses of one group → what there shall be
    deploy.py       makes AWS so
    security.py     the security groups of a load balancer, and the rule of the nodes' one
    rules.py        what listeners shall do
    operator.py     watches, decides when, tells
    account.py      what an AWS account is given for it: a role with a policy, subnets' tags, the nodes' security group
    manifests.py    what the cluster is given: an account, what that may do, the IngressClass
    services.py     the service
    install.py      gives both, as administrator
    program.py      the program
"""
