"""A grant on its stage, and the attempts to assume its roles."""
