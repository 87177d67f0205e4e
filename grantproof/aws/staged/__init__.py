"""A grant on its stage, and the people who come to its roles."""
