"""The mocked world: accounts, sessions and their calls, and a CloudFormation that hides no access."""
