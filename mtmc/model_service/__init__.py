"""One process that owns the networks and their device, and answers all camera processes of a machine."""
