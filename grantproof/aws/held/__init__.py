"""The policies in force after a deployment, their places in the templates, and their comparison with the contract."""
