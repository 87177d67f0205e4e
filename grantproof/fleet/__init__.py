"""Many deployments of grants, verified against snapshots: in bounded memory, over many processes, resumable."""
