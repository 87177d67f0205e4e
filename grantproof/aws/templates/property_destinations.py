"""The external destinations in the properties of a resource of any type.

Most CloudFormation types are in no table of ours, so every value of every property is examined. Left out are properties
whose names say that they are read, identify somebody, or hold free text; a test lists which properties of the whole
template reference these are. Of an unresolved function only the property's name can be judged.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from grantproof.aws.templates.definition_destinations import (
    UnresolvedDestination,
    call_destinations,
    document_destinations,
    is_linked,
    is_policy,
    mapped_destinations,
    parsed,
)
from grantproof.aws.templates.external_principals import PRINCIPAL, ROLE_PROPERTY, is_function
from grantproof.aws.templates.text_destinations import BUCKET, OwnAccount, destinations_in

#: The property names that lead to a value; `*` for an entry of a list.
PropertyPath = tuple[str, ...]

#: Properties that hold free text, code, or descriptions of incoming data.
_IGNORED = frozenset(
    """
    Args Command Comment DashboardBody DefinitionSubstitutions Description Dimensions DockerLabels EntryPoint
    Environment EnvironmentVariables EventPattern ExpectedBucketOwner ExternalEntityLink FilterPattern FilterPolicy
    FunctionCode
    HealthCheck InlineCode Input InputParameters InputPath InputTemplate InputTransformer Metadata MetricDataQueries
    Metrics Parameters Payload Schema SingleMetricAnomalyDetector StackSetParameters Tags TemplateBody UserData
    Variables ZipFile
    """.split()
)
#: Exceptions by type: here these properties can name a destination.
_NOT_IGNORED = frozenset({("AWS::ApiGateway::Deployment", "Variables"), ("AWS::ApiGateway::Stage", "Variables")})
#: Objects whose keys the author chose, so that they say nothing about the values.
_FREE_KEYS = frozenset({"StageVariableOverrides", "StageVariables", "Variables"})
#: By type, properties that hold a definition document.
_DOCUMENTS: Mapping[str, tuple[str, ...]] = {
    "AWS::ApiGateway::RestApi": ("Body",),
    "AWS::ApiGatewayV2::Api": ("Body",),
    "AWS::SSM::Document": ("Content",),
    "AWS::StepFunctions::StateMachine": ("Definition", "DefinitionString"),
}
#: By type, the property that says where in S3 the definition is.
_IN_S3 = {
    "AWS::ApiGateway::RestApi": "BodyS3Location",
    "AWS::ApiGatewayV2::Api": "BodyS3Location",
    "AWS::StepFunctions::StateMachine": "DefinitionS3Location",
}
#: Properties that are read, name a key, or prove an identity: nothing is sent by them.
_NOT_A_DESTINATION = re.compile(
    r"\w*(Kms|KMS|Cmk|CMK|Certificate|Secret|Snapshot|Image|Source)\w*|\w*Key(s|Id|ID|Arn|ARN)?|Layers?|ValueFrom"
    r"|TemplateU(RL|rl)|\w*(Issuer|Identity|RulesPackageArns|ModelDataUrl)|Allow(ed)?Origins"
    r"|\w*(Repository|Documentation)\w*|(From|ReplyTo)\w*"
)
#: Properties that are destinations all the same. The innermost name of a path decides.
_DESTINATION_NAME = re.compile(
    r"\w*(Role(Arn|ARN)?s?|(Callback|Credentials|DeadLetter|Destination|Target|Lambda|Function|Topic|Output)\w*)"
)
#: By type, properties that are only read, or that AWS accepts only from the same account.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html
_READ_BY_TYPE = frozenset(
    {
        ("AWS::CodePipeline::Pipeline", "S3Bucket"),
        ("AWS::S3::Bucket", "DestinationBucketName"),
        ("AWS::SNS::Subscription", "TopicArn"),
    }
)
#: Further properties that are read from S3.
_READ = re.compile(
    r"\w*(Code|Content|Script|Input|Icon|Schema|Manifest|Plugin|Revision|Document|CaCert|Instructions)\w*|BodyS3Location"
    r"|Definition(S3Location|Uri)|Artifact|Include|Exclude|Protected\w*|S3Targets|Jar|Dag\w*|\w*Build|Sbom|--(extra-|script)[\w-]+"
)
#: Paths of buckets whose property is not named as one.
_BUCKETS = frozenset(
    {
        ("AWS::CodeBuild::Project", "Artifacts", "Location"),
        ("AWS::CodeBuild::Project", "Cache", "Location"),
        ("AWS::CodeBuild::Project", "LogsConfig", "S3Logs", "Location"),
        ("AWS::CodeBuild::Project", "SecondaryArtifacts", "*", "Location"),
        ("AWS::CodePipeline::Pipeline", "ArtifactStore", "Location"),
        ("AWS::CodePipeline::Pipeline", "ArtifactStores", "*", "ArtifactStore", "Location"),
    }
)
#: Paths of hosts that are written without a scheme.
_HOSTS = frozenset({("AWS::CloudFront::Distribution", "DistributionConfig", "Origins", "*", "DomainName")})
#: Types that are buckets: a name in their properties is the name of the resource itself.
_BUCKET_TYPE = re.compile(r"AWS::(S3\w*|Lightsail|Timestream)::\w+")
#: Properties that can be any destination while they are unresolved.
_DESTINATION_PROPERTY = re.compile(
    r"\w*(U[rR][lLiI]s?|Endpoint|Email(Address)?|Webhook|Destination|DefinitionString|[a-zK]Actions"
    r"|(Destination|Topic|Queue|Stream|Firehose|Target|Function|Lambda|EventBus|StateMachine|Vault|Notification)\w*"
    r"A[rR][nN]s?)"
)

#: Properties that accept nothing but an ARN or an address: any other text stands for an arbitrary parameter value.
_ADDRESS_ONLY = re.compile(
    r"(Alarm|OK|InsufficientData)Actions|NotificationARNs|(Authorizer|Integration)?Uri"
    r"|\w*(Topic|Queue|Stream|Destination|Firehose|Notification(Target)?)A(rn|RN)s?"
)


def property_destinations(
    type_: str, properties: Any, own: OwnAccount, addresses: Collection[PropertyPath] = ()
) -> Iterator[Any]:
    """The external destinations in the properties of a resource: texts, unresolved functions, `UnresolvedDestination`.

    Args:
        addresses: paths at which URLs are known to be those of the account's own resources.
    """
    if not isinstance(properties, Mapping):
        return
    if _IN_S3.get(type_) in properties:
        yield UnresolvedDestination("where its definition in S3 says, which is not read")
    for steps, value in leaves(type_, properties):
        if type_ == "AWS::ApiGateway::Method" and isinstance(value, str):
            yield from mapped_destinations(steps[-1], value, own)
        if len(steps) == 1 and steps[0] in _DOCUMENTS.get(type_, ()):
            whole = _substituted(value, properties.get("DefinitionSubstitutions"))
            document = parsed(whole) if isinstance(whole, str) else whole
            yield from document_destinations(whole if document is None else document, own, of_api=steps[0] == "Body")
        elif (
            isinstance(value, str)
            and (document := parsed(value)) is not None
            and not _is_not_a_destination(type_, steps)
        ):
            yield from document_destinations(document, own)
        else:
            yield from _destinations_of_value(type_, steps, value, own, is_own_address=steps in addresses)
    if type_ == "AWS::Scheduler::Schedule" and isinstance(target := properties.get("Target"), Mapping):
        called = str(target.get("Arn"))
        if ":::aws-sdk:" in called:
            given = target.get("Input")
            document = parsed(given) if isinstance(given, str) else given
            yield from call_destinations(given if document is None else document, called, own)


def leaves(type_: str, properties: Any) -> Iterator[tuple[PropertyPath, Any]]:
    """The scalar values in the properties of a resource with their paths; functions and definition documents are not
    divided."""
    is_custom = not type_.startswith("AWS::") or type_ == "AWS::CloudFormation::CustomResource"
    if is_custom and isinstance(properties, Mapping):
        properties = {key: value for key, value in properties.items() if key == "ServiceToken"}
    yield from _leaves(type_, properties, ())


def _leaves(type_: str, value: Any, steps: PropertyPath) -> Iterator[tuple[PropertyPath, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from _leaves(type_, item, (*steps, "*"))
    elif not isinstance(value, Mapping) or is_function(value):
        if value is not None and not isinstance(value, bool):
            yield steps, value
    elif len(steps) == 1 and steps[0] in _DOCUMENTS.get(type_, ()):
        yield steps, value
    elif not is_policy(value):
        name = value.get("Key", value.get("Name"))
        for key, item in value.items():
            if (key not in _IGNORED or (type_, key) in _NOT_IGNORED) and not is_linked(value, key):
                called = name if key == "Value" and isinstance(name, str) else key
                freely = bool(steps) and steps[-1] in _FREE_KEYS
                yield from _leaves(type_, item, (*steps, "*" if freely else str(called)))


def _destinations_of_value(
    type_: str, steps: PropertyPath, value: Any, own: OwnAccount, *, is_own_address: bool
) -> Iterator[Any]:
    """The external destinations in a single value. `steps`: the property names that lead to it."""
    name = next((step for step in reversed(steps) if step != "*"), "").rpartition(".")[2]
    is_own_name = len(steps) == 1 and _BUCKET_TYPE.fullmatch(type_) is not None
    bucket = (type_, *steps) in _BUCKETS or (BUCKET.fullmatch(name) is not None and not is_own_name)
    read = any(_READ.fullmatch(step) for step in steps)
    if _is_not_a_destination(type_, steps) or value in ("", {"Ref": "AWS::NoValue"}):
        return
    host = (type_, *steps) in _HOSTS
    unresolved = isinstance(value, Mapping) or "{{resolve:" in str(value)
    if unresolved and (host or _DESTINATION_PROPERTY.fullmatch(name) or (bucket and not read)):
        yield value
        return
    text = "" if isinstance(value, Mapping) else f"https://{value}" if host else str(value)
    if PRINCIPAL.fullmatch(text) and not ROLE_PROPERTY.fullmatch(name):
        return  # a principal, which `external_principals` reports
    for place in destinations_in(text, own):
        if not (read and ":s3:::" in place) and not (is_own_address and "://" in place):
            yield place
    if ":" not in text and not read:
        yield from own.external_bucket(text) if bucket else [text] if text and _ADDRESS_ONLY.fullmatch(name) else ()


def _is_not_a_destination(type_: str, steps: PropertyPath) -> bool:
    """Do the property names say that nothing is sent to the value? The innermost name that says something decides."""
    for step in reversed(steps):
        if _DESTINATION_NAME.fullmatch(step) and (type_, step) not in _READ_BY_TYPE:
            return False
        if _NOT_A_DESTINATION.fullmatch(step) or (type_, step) in _READ_BY_TYPE:
            return True
    return False


def _substituted(document: Any, given: Any) -> Any:
    """A definition with its DefinitionSubstitutions filled in."""
    if not isinstance(given, Mapping):
        return document
    if isinstance(document, str):
        for key, value in given.items():
            document = document.replace(f"${{{key}}}", value) if isinstance(value, str) else document
        return document
    if isinstance(document, list):
        return [_substituted(item, given) for item in document]
    if isinstance(document, Mapping):
        return {key: _substituted(item, given) for key, item in document.items()}
    return document
