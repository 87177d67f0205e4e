"""The exact comparison: what one side allows and the other does not, over all requests."""
