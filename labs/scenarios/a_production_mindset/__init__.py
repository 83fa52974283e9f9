"""Labs of section A: the shop in its environments, its availability, its objectives, its outages."""
