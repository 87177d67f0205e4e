"""Real accounts: their exports, and calls that may be tried against them."""
