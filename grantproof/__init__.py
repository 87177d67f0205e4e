"""Cross-account access templates, and the tests that prove exactly what each of them delegates."""

__version__ = "0.1.0"
