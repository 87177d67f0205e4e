"""Mutation testing of a grant's suites: break templates on purpose, and see whether a suite finds each fault.

Reading order: docs/architecture.md.
"""
