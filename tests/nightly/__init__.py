"""What `make nightly` runs: checks of the comparison that take longer than a merge can wait."""
