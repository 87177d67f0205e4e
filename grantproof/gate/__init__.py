"""Before a merge: what a change does to access, compared as deployed and not as text."""
