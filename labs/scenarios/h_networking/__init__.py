"""Labs of section H: names, load balancers, ingress, certificates, and the way of a request through all of them."""
