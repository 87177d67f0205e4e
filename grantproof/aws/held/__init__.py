"""What accounts hold after a deployment, where each statement is written, and whether it agrees with the contract."""
