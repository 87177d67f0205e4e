"""Drafts contracts from existing templates or exports."""
