"""What stacks would hold, worked out from their templates without deploying them."""
