"""The permissions that calls of STS and IAM need, and those for passing a role to a service (rules T14, T18, T32)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from grantproof.aws.calls.authorisation import Authorisation, CallerScope, Params, Special, ask, tags


def _none(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
    return ()


def _assume_role(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
    """`sts:AssumeRole`; with tags also `sts:TagSession`, with a source identity also `sts:SetSourceIdentity`."""
    context: dict[str, tuple[str, ...]] = {"sts:RoleSessionName": (params["RoleSessionName"],), **tags(params)}
    for key, name in (("sts:ExternalId", "ExternalId"), ("sts:SourceIdentity", "SourceIdentity")):
        if name in params:
            context[key] = (params[name],)
    if params.get("TransitiveTagKeys"):
        context["sts:TransitiveTagKeys"] = tuple(params["TransitiveTagKeys"])
    if "SerialNumber" in params and "TokenCode" in params:
        context |= {"aws:MultiFactorAuthPresent": ("true",), "aws:MultiFactorAuthAge": ("0",)}
    names = ["sts:AssumeRole"]
    names += ["sts:TagSession"] if params.get("Tags") else []
    names += ["sts:SetSourceIdentity"] if "SourceIdentity" in params else []
    return tuple(ask(name, params["RoleArn"], where, context) for name in names)


def pass_role(role: str, service: str, where: CallerScope) -> Authorisation:
    """`iam:PassRole` on a role, given by ARN or name, for a service (rule T32)."""
    arn = role if role.startswith("arn:") else _entity("role", role, where)
    return ask("iam:PassRole", arn, where, {"iam:PassedToService": (service,)})


def _entity(kind: str, name: str, where: CallerScope) -> str:
    """The ARN of an IAM entity. Its path is not in the name, so it is looked up; for an entity that does not exist it
    is `/`."""
    return where.find(kind, name) or f"arn:{where.partition}:iam::{where.account}:{kind}/{name}"


def _with_path(kind: str, *parameters: str) -> Callable[[Params, CallerScope], Sequence[str]]:
    """The values of `${RoleNameWithPath}` and similar variables: with the path in a call that creates the entity, else
    with the path that it has."""

    def fill(params: Params, where: CallerScope) -> Sequence[str]:
        for parameter in parameters:
            value = params.get(parameter)
            if not isinstance(value, str) or not value:
                continue
            if value.startswith("arn:"):
                return [value]
            if "Path" in params:
                return [f"{str(params['Path']).lstrip('/')}{value}"]
            return [_entity(kind, value, where).split(f":{kind}/", 1)[1]]
        return []

    return fill


def _add_to_profile(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
    profile = _entity("instance-profile", params["InstanceProfileName"], where)
    return (
        ask("iam:AddRoleToInstanceProfile", profile, where),
        pass_role(params["RoleName"], "ec2.amazonaws.com", where),
    )


def _attachment(kind: str, name: str) -> Special:
    """Attach and detach calls need permission on the entity; the policy is a condition key (rule C85)."""

    def permissions(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        entity = _entity(kind, params[f"{kind.capitalize()}Name"], where)
        return (ask(f"iam:{name}", entity, where, {"iam:PolicyARN": (params["PolicyArn"],)}),)

    return permissions


def _bounded(kind: str, name: str) -> Special:
    """Calls that set a permissions boundary have it as a condition key (rule C85)."""

    def permissions(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        (found,) = _with_path(kind, f"{kind.capitalize()}Name")(params, where)
        arn = f"arn:{where.partition}:iam::{where.account}:{kind}/{found}"
        context: dict[str, tuple[str, ...]] = dict(tags(params))
        if params.get("PermissionsBoundary"):
            context["iam:PermissionsBoundary"] = (params["PermissionsBoundary"],)
        return (ask(f"iam:{name}", arn, where, context),)

    return permissions


def _own_user(name: str) -> Special:
    """Calls that apply to the calling user if they name none: "IAM determines the user name implicitly based on the
    access key ID signing the request" (IAM API reference, ListAccessKeys and others). For other callers the resource is
    not known."""

    def permissions(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        user = _entity("user", params["UserName"], where) if params.get("UserName") else where.user
        return (ask(f"iam:{name}", user, where),)

    return permissions


#: Operations of IAM whose UserName is optional.
_OWN_USER = (
    *(f"{verb}AccessKey" for verb in ("Create", "Delete", "Update")),
    *(f"{verb}LoginProfile" for verb in ("Create", "Delete", "Get")),
    *(f"{verb}ServiceSpecificCredential" for verb in ("Delete", "Reset", "Update")),
    *(f"{verb}SigningCertificate" for verb in ("Delete", "Update", "Upload")),
    *(f"List{what}" for what in ("AccessKeys", "SSHPublicKeys", "ServiceSpecificCredentials", "SigningCertificates")),
    *("ListMFADevices", "GetMFADevice", "DeactivateMFADevice"),
    *("ChangePassword", "GetUser"),
)
#: Operations that need no permission (rules T26, T28).
FREE = frozenset({("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")})
SPECIAL: dict[tuple[str, str], Special] = {
    **dict.fromkeys(FREE, _none),
    ("sts", "AssumeRole"): _assume_role,
    ("iam", "AddRoleToInstanceProfile"): _add_to_profile,
    **{
        ("iam", f"{verb}{kind}Policy"): _attachment(kind.lower(), f"{verb}{kind}Policy")
        for verb in ("Attach", "Detach")
        for kind in ("Role", "User", "Group")
    },
    **{("iam", name): _bounded("role", name) for name in ("CreateRole", "PutRolePermissionsBoundary")},
    **{("iam", name): _bounded("user", name) for name in ("CreateUser", "PutUserPermissionsBoundary")},
    **{("iam", name): _own_user(name) for name in _OWN_USER},
}
FILLERS: Mapping[tuple[str, str], Callable[[Params, CallerScope], Sequence[str]]] = {
    ("iam", "RoleNameWithPath"): _with_path("role", "RoleName", "RoleArn"),
    ("iam", "UserNameWithPath"): _with_path("user", "UserName"),
    ("iam", "GroupNameWithPath"): _with_path("group", "GroupName"),
    ("iam", "PolicyNameWithPath"): _with_path("policy", "PolicyArn", "PolicyName"),
    ("iam", "InstanceProfileNameWithPath"): _with_path("instance-profile", "InstanceProfileName"),
    ("iam", "CertificateNameWithPath"): _with_path("server-certificate", "ServerCertificateName"),
    ("iam", "MfaTokenIdWithPath"): _with_path("mfa", "SerialNumber", "VirtualMFADeviceName"),
    ("iam", "OidcProviderName"): _with_path("oidc-provider", "OpenIDConnectProviderArn"),
    ("iam", "SamlProviderName"): _with_path("saml-provider", "SAMLProviderArn", "Name"),
}


def candidates(service: str, resource: str) -> list[dict[str, Any]]:
    """The parameters that can name a role, user or group."""
    if service == "sts":
        return [{"RoleArn": resource}]
    kind, slash, name = resource.split(":", 5)[5].partition("/")
    if service == "iam" and slash:
        return [{f"{kind.capitalize()}Name": name.rsplit("/", 1)[-1]}, {"PolicyArn": resource}]
    return []
