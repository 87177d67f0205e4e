"""Stacks as they would be, worked out from their templates without deploying."""
