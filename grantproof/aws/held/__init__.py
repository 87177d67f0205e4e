"""What accounts hold after a deployment, where each statement is written, and whether the contract says the same."""
