"""Questions about a deployed grant, and their answers."""
