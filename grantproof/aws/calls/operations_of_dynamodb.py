"""The permissions that calls of DynamoDB need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grantproof.aws.calls.authorisation import Authorisation, CallerScope, Filler, Params, Special, ask


def _table(name: str, where: CallerScope) -> str:
    return name if name.startswith("arn:") else where.arn("dynamodb", f"table/{name}")


def _batch(action: str) -> Special:
    def permissions(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        return tuple(ask(f"dynamodb:{action}", _table(name, where), where) for name in params["RequestItems"])

    return permissions


_TRANSACTION = {
    "Get": "GetItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}


def _transaction(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
    return tuple(
        ask(f"dynamodb:{_TRANSACTION[verb]}", _table(entry["TableName"], where), where)
        for item in params["TransactItems"]
        for verb, entry in item.items()
    )


def _partiql(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
    """The first word of the statement is the action; its table is not determined."""
    entries = params.get("Statements") or params.get("TransactStatements") or [params]
    out = []
    for entry in entries:
        verb = str(entry["Statement"]).split(None, 1)[0].capitalize()
        verbs = [verb] if verb in ("Select", "Insert", "Update", "Delete") else ["Select", "Insert", "Update", "Delete"]
        out += [ask(f"dynamodb:PartiQL{name}", None, where) for name in verbs]
    return tuple(out)


def _query(action: str) -> Special:
    """If the call names an index, the index is the resource."""

    def permissions(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        table = _table(params["TableName"], where)
        arn = f"{table}/index/{params['IndexName']}" if params.get("IndexName") else table
        return (ask(f"dynamodb:{action}", arn, where),)

    return permissions


SPECIAL: Mapping[tuple[str, str], Special] = {
    ("dynamodb", "BatchGetItem"): _batch("BatchGetItem"),
    ("dynamodb", "BatchWriteItem"): _batch("BatchWriteItem"),
    ("dynamodb", "TransactGetItems"): _transaction,
    ("dynamodb", "TransactWriteItems"): _transaction,
    ("dynamodb", "Query"): _query("Query"),
    ("dynamodb", "Scan"): _query("Scan"),
    **{("dynamodb", name): _partiql for name in ("ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction")},
}
FILLERS: Mapping[tuple[str, str], Filler] = {
    ("dynamodb", "TableName"): lambda params, where: [v for n in ("TableName", "ResourceArn") if (v := params.get(n))][
        :1
    ],
}


def candidates(fields: Sequence[str], resource: str, *, is_own: bool) -> list[dict[str, Any]]:
    """The parameters that can name a resource, for `operation_parameters`. `is_own`: the resource is in the
    caller's account and region."""
    return [{"TableName": fields[5].removeprefix("table/") if is_own else resource}, {"ResourceArn": resource}]
