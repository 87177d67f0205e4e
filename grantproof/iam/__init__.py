"""Evaluates IAM policies: whether a request is allowed and by which statements, and what policies allow over all
requests.

Pure: no I/O, no boto3, no moto, no clock. Rule numbers (E2, T3, ...) are those of `docs/iam-rules.md`;
docs/architecture.md has the reading order.
"""

from grantproof.iam.assumption import DEFAULTS, OPEN_POINTS, Assumptions
from grantproof.iam.decision import Cited, Decision, Outcome
from grantproof.iam.document import EVERYTHING
from grantproof.iam.document import parse as parse_policy
from grantproof.iam.errors import BadRequest, IamError, MalformedPolicy, Undecided
from grantproof.iam.evaluate import evaluate
from grantproof.iam.explain import Mismatch, Near, explanation, nearest, refusal_message
from grantproof.iam.layers import Layers, parse_layers
from grantproof.iam.policy import Policy, PolicyType, Statement
from grantproof.iam.principal import Principal
from grantproof.iam.principal import parse as parse_principal
from grantproof.iam.request import Request
from grantproof.iam.request import parse as parse_request

__all__ = [
    "DEFAULTS",
    "EVERYTHING",
    "OPEN_POINTS",
    "Assumptions",
    "BadRequest",
    "Cited",
    "Decision",
    "IamError",
    "Layers",
    "MalformedPolicy",
    "Mismatch",
    "Near",
    "Outcome",
    "Policy",
    "PolicyType",
    "Principal",
    "Request",
    "Statement",
    "Undecided",
    "evaluate",
    "explanation",
    "nearest",
    "parse_layers",
    "parse_policy",
    "parse_principal",
    "parse_request",
    "refusal_message",
]
