"""Everything that a grant can be: options, places, and what its contract leaves open."""
