"""Many deployments of grants, verified against snapshots, with bounded memory, in many processes, resumably."""
