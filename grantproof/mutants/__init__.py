"""Breaking a grant on purpose: what a gate that guards access has to notice, and whether it does.

Reading order: docs/architecture.md.
"""
