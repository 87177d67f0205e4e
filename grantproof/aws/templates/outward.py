"""Which values of a resource's properties, whatever its type, are places that it sends to.

A value that names a place of somebody else is one, wherever it stands: most of CloudFormation's types are in no table
of ours, and nobody has to wait until one has been entered. What is left out is called as something that is read, that
somebody is known by, or that is its writer's own word; what that is of all the template reference is tested. Of what
is not resolved only its name can tell.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from grantproof.aws.templates.definitions import Unread, calls_of, is_linked, is_policy, mapped, parsed, sent_by
from grantproof.aws.templates.naming import OUTWARD, PRINCIPAL, is_function
from grantproof.aws.templates.strangers import BUCKET, Own, places_in

#: Names of properties on the way to a value; `*` for each entry of a list.
Steps = tuple[str, ...]

#: Properties in which everything is its writer's own word, code, or about what comes in.
_FREE = frozenset(
    """
    Args Command Comment DashboardBody DefinitionSubstitutions Description Dimensions DockerLabels EntryPoint
    Environment EnvironmentVariables EventPattern ExpectedBucketOwner ExternalEntityLink FilterPattern FilterPolicy
    FunctionCode
    HealthCheck InlineCode Input InputParameters InputPath InputTemplate InputTransformer Metadata MetricDataQueries
    Metrics Parameters Payload Schema SingleMetricAnomalyDetector StackSetParameters Tags TemplateBody UserData
    Variables ZipFile
    """.split()
)
#: What is free elsewhere, and in these types says where something goes.
_NOT_FREE = frozenset({("AWS::ApiGateway::Deployment", "Variables"), ("AWS::ApiGateway::Stage", "Variables")})
#: Where keys are what their writer calls something, they say nothing of it.
_CALLED_FREELY = frozenset({"StageVariableOverrides", "StageVariables", "Variables"})
#: Properties that are a document of their own.
_DOCUMENTS: Mapping[str, tuple[str, ...]] = {
    "AWS::ApiGateway::RestApi": ("Body",),
    "AWS::ApiGatewayV2::Api": ("Body",),
    "AWS::SSM::Document": ("Content",),
    "AWS::StepFunctions::StateMachine": ("Definition", "DefinitionString"),
}
#: Where it stands when it is in S3.
_IN_S3 = {
    "AWS::ApiGateway::RestApi": "BodyS3Location",
    "AWS::ApiGatewayV2::Api": "BodyS3Location",
    "AWS::StepFunctions::StateMachine": "DefinitionS3Location",
}
#: What is read, is a key, or proves who somebody is: by these nothing leaves.
_INWARD = re.compile(
    r"\w*(Kms|KMS|Cmk|CMK|Certificate|Secret|Snapshot|Image|Source)\w*|\w*Key(s|Id|ID|Arn|ARN)?|Layers?|ValueFrom"
    r"|TemplateU(RL|rl)|\w*(Issuer|Identity|RulesPackageArns|ModelDataUrl)|Allow(ed)?Origins"
    r"|\w*(Repository|Documentation)\w*|(From|ReplyTo)\w*"
)
#: What of that goes out all the same: of several names on the way, the innermost counts.
_OUTWARD = re.compile(
    r"\w*(Role(Arn|ARN)?s?|(Callback|Credentials|DeadLetter|Destination|Target|Lambda|Function|Topic|Output)\w*)"
)
#: By type, what of others' is read, and what AWS takes of the same account alone.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html
_READ_BY = frozenset(
    {
        ("AWS::CodePipeline::Pipeline", "S3Bucket"),
        ("AWS::S3::Bucket", "DestinationBucketName"),
        ("AWS::SNS::Subscription", "TopicArn"),
    }
)
#: What is read of S3, besides.
_READ = re.compile(
    r"\w*(Code|Content|Script|Input|Icon|Schema|Manifest|Plugin|Revision|Document|CaCert|Instructions)\w*|BodyS3Location"
    r"|Definition(S3Location|Uri)|Artifact|Include|Exclude|Protected\w*|S3Targets|Jar|Dag\w*|\w*Build|Sbom|--(extra-|script)[\w-]+"
)
#: Buckets that are called otherwise, by the ways to them.
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
#: Hosts that are not written as addresses.
_HOSTS = frozenset({("AWS::CloudFront::Distribution", "DistributionConfig", "Origins", "*", "DomainName")})
#: Types that have buckets of their own, which they call so.
_CALLED = re.compile(r"AWS::(S3\w*|Lightsail|Timestream)::\w+")
#: What may be any place where it is not resolved.
_PLACE = re.compile(
    r"\w*(U[rR][lLiI]s?|Endpoint|Email(Address)?|Webhook|Destination|DefinitionString|[a-zK]Actions"
    r"|(Destination|Topic|Queue|Stream|Firehose|Target|Function|Lambda|EventBus|StateMachine|Vault|Notification)\w*"
    r"A[rR][nN]s?)"
)

#: What is nothing but an ARN or an address: a text that is neither stands for what else a parameter may be.
_ADDRESSED = re.compile(
    r"(Alarm|OK|InsufficientData)Actions|NotificationARNs|(Authorizer|Integration)?Uri"
    r"|\w*(Topic|Queue|Stream|Destination|Firehose|Notification(Target)?)A(rn|RN)s?"
)


def sent_by_any(type_: str, properties: Any, own: Own, addresses: Collection[Steps] = ()) -> Iterator[Any]:
    """The places that the properties of a resource name, and that are not known to be of its account.

    Args:
        addresses: where in the properties addresses stand that are of the account's own resources.
    """
    if not isinstance(properties, Mapping):
        return
    if _IN_S3.get(type_) in properties:
        yield Unread("where its definition in S3 says, which is not read")
    for steps, value in leaves(type_, properties):
        if type_ == "AWS::ApiGateway::Method" and isinstance(value, str):
            yield from mapped(steps[-1], value, own)
        if len(steps) == 1 and steps[0] in _DOCUMENTS.get(type_, ()):
            whole = _substituted(value, properties.get("DefinitionSubstitutions"))
            document = parsed(whole) if isinstance(whole, str) else whole
            yield from sent_by(whole if document is None else document, own, of_api=steps[0] == "Body")
        elif isinstance(value, str) and (document := parsed(value)) is not None and not _is_inward(type_, steps):
            yield from sent_by(document, own)
        else:
            yield from _places(type_, steps, value, own, steps in addresses)
    if type_ == "AWS::Scheduler::Schedule" and isinstance(target := properties.get("Target"), Mapping):
        called = str(target.get("Arn"))
        if ":::aws-sdk:" in called:
            given = target.get("Input")
            document = parsed(given) if isinstance(given, str) else given
            yield from calls_of(given if document is None else document, called, own)


def leaves(type_: str, properties: Any) -> Iterator[tuple[Steps, Any]]:
    """What stands in the properties of a resource, and the way to each; functions and documents are whole."""
    own_words = not type_.startswith("AWS::") or type_ == "AWS::CloudFormation::CustomResource"
    if own_words and isinstance(properties, Mapping):
        properties = {key: value for key, value in properties.items() if key == "ServiceToken"}
    yield from _leaves(type_, properties, ())


def _leaves(type_: str, value: Any, steps: Steps) -> Iterator[tuple[Steps, Any]]:
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
            if (key not in _FREE or (type_, key) in _NOT_FREE) and not is_linked(value, key):
                called = name if key == "Value" and isinstance(name, str) else key
                freely = bool(steps) and steps[-1] in _CALLED_FREELY
                yield from _leaves(type_, item, (*steps, "*" if freely else str(called)))


def _places(type_: str, steps: Steps, value: Any, own: Own, is_own_address: bool) -> Iterator[Any]:
    name = next((step for step in reversed(steps) if step != "*"), "").rpartition(".")[2]
    called = len(steps) == 1 and _CALLED.fullmatch(type_) is not None
    bucket = (type_, *steps) in _BUCKETS or (BUCKET.fullmatch(name) is not None and not called)
    read = any(_READ.fullmatch(step) for step in steps)
    if _is_inward(type_, steps) or value in ("", {"Ref": "AWS::NoValue"}):
        return
    host = (type_, *steps) in _HOSTS
    unresolved = isinstance(value, Mapping) or "{{resolve:" in str(value)
    if unresolved and (host or _PLACE.fullmatch(name) or (bucket and not read)):
        yield value
        return
    text = "" if isinstance(value, Mapping) else f"https://{value}" if host else str(value)
    if PRINCIPAL.fullmatch(text) and not OUTWARD.fullmatch(name):
        return  # somebody who is named, as `naming` sees
    for place in places_in(text, own):
        if not (read and ":s3:::" in place) and not (is_own_address and "://" in place):
            yield place
    if ":" not in text and not read:
        yield from own.bucket_elsewhere(text) if bucket else [text] if text and _ADDRESSED.fullmatch(name) else ()


def _is_inward(type_: str, steps: Steps) -> bool:
    for step in reversed(steps):
        if _OUTWARD.fullmatch(step) and (type_, step) not in _READ_BY:
            return False
        if _INWARD.fullmatch(step) or (type_, step) in _READ_BY:
            return True
    return False


def _substituted(document: Any, given: Any) -> Any:
    """A definition with what is put into it."""
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
