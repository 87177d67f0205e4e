"""A grant under every combination of its options, in every region that matters, and with every value left open."""
