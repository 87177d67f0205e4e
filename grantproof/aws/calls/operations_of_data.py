"""What calls of Parameter Store, KMS, Secrets Manager, SQS, SNS, Lambda and DynamoDB ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from grantproof.aws.calls.authorisation import Authorisation, CallerScope, Context, Params, Special, ask, tags, through
from grantproof.aws.calls.operations_of_identity import pass_role

# --- Parameter Store --------------------------------------------------------------------------------------------------


def parameter_in_arn(name: str) -> str:
    """A parameter's name as ARNs have it (rule M1): without the leading slash, and without the version or label that
    may follow a colon. An ARN stays one, cut in the same way."""
    if name.startswith("arn:"):
        return ":".join(name.split(":")[:6])
    return name.split(":")[0].removeprefix("/")


def _parameter_arn(name: str, where: CallerScope) -> str:
    found = parameter_in_arn(name)
    return found if found.startswith("arn:") else where.arn("ssm", f"parameter/{found}")


def _parameter(action: str, reads: bool = False, **keys: str) -> Special:
    """An operation on parameters by name. `keys`: condition keys that are `true` when the parameter is given (rules M6,
    M7; O32). `reads`: with WithDecryption a SecureString asks for its key as well (rules M10, M13, M17)."""

    def of(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        names = [params["Path"]] if action == "GetParametersByPath" else params.get("Names") or [params["Name"]]
        context = dict(tags(params)) | {key: ("true",) for name, key in keys.items() if params.get(name)}
        out = [ask(f"ssm:{action}", _parameter_arn(name, where), where, context) for name in names]
        if reads and params.get("WithDecryption"):
            for name in names:
                out += _decryption(name, action, where)
        return tuple(out)

    return of


def _decryption(name: str, action: str, where: CallerScope) -> list[Authorisation]:
    arn = _parameter_arn(name, where)
    context = {**through("ssm", where), "kms:EncryptionContext:PARAMETER_ARN": (arn,)}
    context["kms:EncryptionContextKeys"] = ("PARAMETER_ARN",)
    if action == "GetParametersByPath":
        # Which parameters lie below the path is not in the call.
        return [ask("kms:Decrypt", None, where, through("ssm", where))] if where.find("secure-below", name) else []
    key = where.find("parameter-key", name)
    return [ask("kms:Decrypt", key, where, context)] if key else []


def _ssm_tagged(action: str) -> Special:
    def of(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        is_parameter = params.get("ResourceType") == "Parameter"
        arn = _parameter_arn(params["ResourceId"], where) if is_parameter else None
        return (ask(f"ssm:{action}", arn, where, tags(params)),)

    return of


# --- KMS --------------------------------------------------------------------------------------------------------------


def _key_arn(name: str | None, where: CallerScope) -> str | None:
    """The key behind an id, an alias or an ARN of either (rule K12); None where an alias is not known."""
    if not name:
        return None
    if ":key/" in name:
        return name
    if "alias/" in name:
        return where.find("key", name)
    return where.arn("kms", f"key/{name}")


def _encryption(params: Params, name: str = "EncryptionContext") -> Context:
    """The keys of an encryption context (rules K21, K23)."""
    pairs: Mapping[str, str] = params.get(name) or {}
    if not pairs:
        return {}
    out = {f"kms:EncryptionContext:{key}": (value,) for key, value in pairs.items()}
    return {**out, "kms:EncryptionContextKeys": tuple(pairs)}


def _on_key(action: str) -> Special:
    def of(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        return (ask(f"kms:{action}", _key_arn(params.get("KeyId"), where), where, _encryption(params)),)

    return of


def _reencrypt(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
    """Two actions on two keys (rule A13)."""
    source, target = _key_arn(params.get("SourceKeyId"), where), _key_arn(params["DestinationKeyId"], where)
    return (
        ask("kms:ReEncryptFrom", source, where, _encryption(params, "SourceEncryptionContext")),
        ask("kms:ReEncryptTo", target, where, _encryption(params, "DestinationEncryptionContext")),
    )


def _alias(action: str) -> Special:
    """Alias operations need permission on the alias and on the key (rule K13)."""

    def of(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        alias = where.arn("kms", str(params["AliasName"]))
        key = _key_arn(params.get("TargetKeyId") or params["AliasName"], where)
        return (ask(f"kms:{action}", alias, where), ask(f"kms:{action}", key, where))

    return of


# --- Secrets Manager --------------------------------------------------------------------------------------------------


def _secret_arn(params: Params, where: CallerScope) -> str | None:
    """A secret's ARN ends in characters that its name does not have, so a name has to be looked up."""
    name = str(params["SecretId"])
    return name if name.startswith("arn:") and name[-7:-6] == "-" else where.find("secret", name)


def _get_secret(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
    arn = _secret_arn(params, where)
    names = {"VersionId": "secretsmanager:VersionId", "VersionStage": "secretsmanager:VersionStage"}
    context = {key: (str(params[name]),) for name, key in names.items() if params.get(name)}
    if arn:
        context["secretsmanager:SecretId"] = (arn,)
    out = [ask("secretsmanager:GetSecretValue", arn, where, context)]
    key = where.find("secret-key", str(params["SecretId"]))
    if key:
        encryption: dict[str, tuple[str, ...]] = {"kms:EncryptionContext:SecretARN": (arn or "",)}
        out.append(ask("kms:Decrypt", key, where, {**through("secretsmanager", where), **encryption}))
    return tuple(out)


def _on_secret(action: str) -> Special:
    def of(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        arn = _secret_arn(params, where)
        context: dict[str, tuple[str, ...]] = dict(tags(params))
        if arn:
            context["secretsmanager:SecretId"] = (arn,)
        return (ask(f"secretsmanager:{action}", arn, where, context),)

    return of


# --- SQS, SNS, Lambda -------------------------------------------------------------------------------------------------


def _queue(params: Params, where: CallerScope) -> Sequence[str]:
    if params.get("QueueName"):
        return [str(params["QueueName"])]
    if params.get("SourceArn"):
        return [str(params["SourceArn"])]
    pieces = str(params.get("QueueUrl", "")).rstrip("/").rsplit("/", 2)
    return (
        [f"arn:{where.partition}:sqs:{where.region}:{pieces[1]}:{pieces[2]}"]
        if len(pieces) == 3 and pieces[1].isdigit()
        else []
    )


def _as(action: str, service: str, variable: str) -> Special:
    """Batch operations are authorised as the single one."""

    def of(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        found = FILLERS[service, variable](params, where)
        arn = found[0] if found and found[0].startswith("arn:") else None
        return (ask(f"{service}:{action}", arn, where),)

    return of


def _topic(params: Params, where: CallerScope) -> Sequence[str]:
    for name in ("TopicArn", "TargetArn", "ResourceArn"):
        value = str(params.get(name) or "")
        if ":sns:" in value:
            return [value]
    if params.get("SubscriptionArn"):
        return [":".join(str(params["SubscriptionArn"]).split(":")[:6])]
    return [str(params["Name"])] if params.get("Name") else []


def _function(params: Params, where: CallerScope) -> Sequence[str]:
    """A function by name, partial ARN (`account:function:name`) or ARN; a qualifier makes it another resource."""
    name = str(params.get("FunctionName") or "")
    if not name:
        return []
    if ":function:" in name and not name.startswith("arn:"):
        account, _, name = name.partition(":function:")
        name = f"arn:{where.partition}:lambda:{where.region}:{account}:function:{name}"
    return [f"{name}:{params['Qualifier']}" if params.get("Qualifier") else name]


def _invoke(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
    (name,) = _function(params, where)
    arn = name if name.startswith("arn:") else where.arn("lambda", f"function:{name}")
    return (ask("lambda:InvokeFunction", arn, where, {"lambda:FunctionArn": (arn,)}),)


def _runs_as(action: str) -> Special:
    """Creating or changing a function hands its role to Lambda."""

    def of(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        (name,) = _function(params, where)
        arn = name if name.startswith("arn:") else where.arn("lambda", f"function:{name}")
        out = [ask(f"lambda:{action}", arn, where, tags(params))]
        if params.get("Role"):
            out.append(pass_role(params["Role"], "lambda.amazonaws.com", where))
        return tuple(out)

    return of


# --- DynamoDB ---------------------------------------------------------------------------------------------------------


def _table(name: str, where: CallerScope) -> str:
    return name if name.startswith("arn:") else where.arn("dynamodb", f"table/{name}")


def _batch(action: str) -> Special:
    def of(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        return tuple(ask(f"dynamodb:{action}", _table(name, where), where) for name in params["RequestItems"])

    return of


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
    """The statement's first word is the action; which table it means is left to the law's None."""
    entries = params.get("Statements") or params.get("TransactStatements") or [params]
    out = []
    for entry in entries:
        verb = str(entry["Statement"]).split(None, 1)[0].capitalize()
        verbs = [verb] if verb in ("Select", "Insert", "Update", "Delete") else ["Select", "Insert", "Update", "Delete"]
        out += [ask(f"dynamodb:PartiQL{name}", None, where) for name in verbs]
    return tuple(out)


def _query(action: str) -> Special:
    """With an index, the index is the resource."""

    def of(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        table = _table(params["TableName"], where)
        arn = f"{table}/index/{params['IndexName']}" if params.get("IndexName") else table
        return (ask(f"dynamodb:{action}", arn, where),)

    return of


_KEY_OPERATIONS = """
    CancelKeyDeletion CreateGrant Decrypt DeriveSharedSecret DescribeKey DisableKey DisableKeyRotation EnableKey
    EnableKeyRotation Encrypt GenerateDataKey GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext
    GenerateDataKeyWithoutPlaintext GenerateMac GetKeyPolicy GetKeyRotationStatus GetParametersForImport GetPublicKey
    ImportKeyMaterial DeleteImportedKeyMaterial ListGrants ListKeyPolicies ListKeyRotations ListResourceTags
    PutKeyPolicy RetireGrant RevokeGrant RotateKeyOnDemand ScheduleKeyDeletion Sign TagResource UntagResource
    UpdateKeyDescription Verify VerifyMac
""".split()
_SECRET_OPERATIONS = """
    CancelRotateSecret DeleteResourcePolicy DeleteSecret DescribeSecret GetResourcePolicy ListSecretVersionIds
    PutResourcePolicy PutSecretValue RemoveRegionsFromReplication ReplicateSecretToRegions RestoreSecret RotateSecret
    StopReplicationToReplica TagResource UntagResource UpdateSecret UpdateSecretVersionStage
""".split()


def _insights(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
    """LookupEvents, and for a trail ListInsightsData on it (CloudTrail API Reference, ListInsightsMetricData)."""
    out = [ask("cloudtrail:LookupEvents", "*", where)]
    if name := params.get("TrailName"):
        trail = name if name.startswith("arn:") else where.arn("cloudtrail", f"trail/{name}")
        out.append(ask("cloudtrail:ListInsightsData", trail, where))
    return tuple(out)


SPECIAL: dict[tuple[str, str], Special] = {
    ("cloudtrail", "ListInsightsMetricData"): _insights,
    ("ssm", "GetParameter"): _parameter("GetParameter", reads=True),
    ("ssm", "GetParameters"): _parameter("GetParameters", reads=True),
    ("ssm", "GetParameterHistory"): _parameter("GetParameterHistory", reads=True),
    # Rule M5, O32: authorised on the path that is asked for.
    ("ssm", "GetParametersByPath"): _parameter("GetParametersByPath", reads=True, Recursive="ssm:Recursive"),
    ("ssm", "PutParameter"): _parameter("PutParameter", Overwrite="ssm:Overwrite", Policies="ssm:Policies"),
    **{
        ("ssm", name): _parameter(name)
        for name in ("DeleteParameter", "DeleteParameters", "LabelParameterVersion", "UnlabelParameterVersion")
    },
    **{
        ("ssm", name): _ssm_tagged(name)
        for name in ("AddTagsToResource", "RemoveTagsFromResource", "ListTagsForResource")
    },
    **{("kms", name): _on_key(name) for name in _KEY_OPERATIONS},
    ("kms", "ReEncrypt"): _reencrypt,
    **{("kms", name): _alias(name) for name in ("CreateAlias", "UpdateAlias", "DeleteAlias")},
    ("secretsmanager", "GetSecretValue"): _get_secret,
    **{("secretsmanager", name): _on_secret(name) for name in _SECRET_OPERATIONS},
    ("sqs", "SendMessageBatch"): _as("SendMessage", "sqs", "QueueName"),
    ("sqs", "DeleteMessageBatch"): _as("DeleteMessage", "sqs", "QueueName"),
    ("sqs", "ChangeMessageVisibilityBatch"): _as("ChangeMessageVisibility", "sqs", "QueueName"),
    ("sns", "PublishBatch"): _as("Publish", "sns", "TopicName"),
    ("lambda", "Invoke"): _invoke,
    ("lambda", "InvokeWithResponseStream"): _invoke,
    ("lambda", "InvokeAsync"): _invoke,
    ("lambda", "CreateFunction"): _runs_as("CreateFunction"),
    ("lambda", "UpdateFunctionConfiguration"): _runs_as("UpdateFunctionConfiguration"),
    ("lambda", "GetLayerVersionByArn"): lambda params, where: (ask("lambda:GetLayerVersion", params["Arn"], where),),
    ("dynamodb", "BatchGetItem"): _batch("BatchGetItem"),
    ("dynamodb", "BatchWriteItem"): _batch("BatchWriteItem"),
    ("dynamodb", "TransactGetItems"): _transaction,
    ("dynamodb", "TransactWriteItems"): _transaction,
    ("dynamodb", "Query"): _query("Query"),
    ("dynamodb", "Scan"): _query("Scan"),
    **{("dynamodb", name): _partiql for name in ("ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction")},
}
FILLERS: Mapping[tuple[str, str], Callable[[Params, CallerScope], Sequence[str]]] = {
    ("ssm", "DocumentName"): lambda params, where: [v for n in ("DocumentName", "Name") if (v := params.get(n))][:1],
    ("sqs", "QueueName"): _queue,
    ("sns", "TopicName"): _topic,
    ("lambda", "FunctionName"): _function,
    ("dynamodb", "TableName"): lambda params, where: [v for n in ("TableName", "ResourceArn") if (v := params.get(n))][
        :1
    ],
}


def candidates(service: str, fields: list[str], resource: str, here: bool) -> list[dict[str, Any]]:
    """Parameters that may name a resource of these services. What is not `here`, in the caller's account and region, is
    named by its ARN."""
    name = fields[5]
    match service:
        case "ssm" if name.startswith("parameter/"):
            short = name.removeprefix("parameter/")
            # A name of several levels begins with a slash.
            texts = [f"/{short}" if "/" in short else short, resource] if here else [resource]
            return [
                given
                for text in texts
                for given in (
                    {"Name": text},
                    {"Names": [text]},
                    {"Path": text},
                    {"ResourceType": "Parameter", "ResourceId": text},
                )
            ]
        case "kms":
            return [{"KeyId": resource}]
        case "secretsmanager":
            return [{"SecretId": resource}]
        case "sqs":
            return [{"QueueUrl": f"https://sqs.{fields[3]}.amazonaws.com/{fields[4]}/{name}"}, {"QueueName": name}]
        case "sns":
            return [{"TopicArn": resource}, {"ResourceArn": resource}, {"Name": name}]
        case "lambda":
            return [{"FunctionName": resource if not here else name.removeprefix("function:")}]
        case "dynamodb":
            return [{"TableName": resource if not here else name.removeprefix("table/")}, {"ResourceArn": resource}]
    return []
