"""The edge: deploying into moto, sessions, authorising boto3 calls, snapshots.

moto asks boto3 for the regions while it is imported, and boto3 would read the user's settings for that: an unknown
AWS_PROFILE would end the run. So moto is imported here, once, without them.
"""

from grantproof.aws.isolation import isolated
from grantproof.aws.lean_import import lean

with isolated(), lean():
    import moto.cloudformation  # noqa: F401 - for its imports, as said above
