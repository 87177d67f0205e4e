"""Computes what stacks would create from their templates, without deploying them."""
