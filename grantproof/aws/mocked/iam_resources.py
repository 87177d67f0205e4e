"""IAM resources, created as CloudFormation creates them.

moto 5.2.5 does not know `AWS::IAM::Group`, drops the `ManagedPolicyArns` of roles and the groups, policies and
boundaries of users, and stores inline policies in a form that its own IAM cannot read. Each of these hides access. This
module therefore creates IAM resources by calls of the mocked IAM, property by property. A resource with a property that
is not listed here is not created.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from grantproof.aws.mocked.created import Client, CreatedResource, Properties, UnsupportedResource, creator


def _named(properties: Properties, name: str, generated: str, most: int = 64) -> str:
    """The name in a property, else the generated one, cut to the greatest length that IAM accepts."""
    return str(properties.get(name) or generated[:most].rstrip("-"))


def _given(properties: Properties, **renamed: str) -> dict[str, Any]:
    """The properties that have a value, by the names of the API's parameters."""
    return {api: properties[name] for api, name in renamed.items() if properties.get(name) not in (None, "", [])}


def _text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


def _require_boundary(created: Mapping[str, Any], type_: str) -> None:
    if "PermissionsBoundary" not in created:
        raise UnsupportedResource(f"property PermissionsBoundary of {type_}")


def _role(iam: Client, p: Properties, generated: str) -> CreatedResource:
    name = _named(p, "RoleName", generated)
    more = _given(
        p, Path="Path", Description="Description", MaxSessionDuration="MaxSessionDuration",
        PermissionsBoundary="PermissionsBoundary", Tags="Tags",
    )  # fmt: skip
    if "MaxSessionDuration" in more:
        more["MaxSessionDuration"] = int(more["MaxSessionDuration"])
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_text(p["AssumeRolePolicyDocument"]), **more)["Role"]
    try:
        if p.get("PermissionsBoundary"):
            _require_boundary(iam.get_role(RoleName=name)["Role"], "AWS::IAM::Role")
        for policy in p.get("Policies") or ():
            document = _text(policy["PolicyDocument"])
            iam.put_role_policy(RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=document)
        for arn in p.get("ManagedPolicyArns") or ():
            iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    except BaseException:
        remove_role(iam, name)  # CloudFormation, too, removes a resource that it could not finish
        raise

    return CreatedResource(iam, name, {"Arn": role["Arn"], "RoleId": role["RoleId"]}, lambda: remove_role(iam, name))


def remove_role(iam: Client, name: str) -> None:
    """Delete a role with everything attached to it."""
    for policy_name in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy_name)
    for attached in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=name, PolicyArn=attached["PolicyArn"])
    iam.delete_role(RoleName=name)


def _group(iam: Client, p: Properties, generated: str) -> CreatedResource:
    name = _named(p, "GroupName", generated, 128)
    group = iam.create_group(GroupName=name, **_given(p, Path="Path"))["Group"]
    for policy in p.get("Policies") or ():
        document = _text(policy["PolicyDocument"])
        iam.put_group_policy(GroupName=name, PolicyName=policy["PolicyName"], PolicyDocument=document)
    for arn in p.get("ManagedPolicyArns") or ():
        iam.attach_group_policy(GroupName=name, PolicyArn=arn)

    def remove() -> None:
        for policy_name in iam.list_group_policies(GroupName=name)["PolicyNames"]:
            iam.delete_group_policy(GroupName=name, PolicyName=policy_name)
        for attached in iam.list_attached_group_policies(GroupName=name)["AttachedPolicies"]:
            iam.detach_group_policy(GroupName=name, PolicyArn=attached["PolicyArn"])
        iam.delete_group(GroupName=name)

    return CreatedResource(iam, name, {"Arn": group["Arn"]}, remove)


def _user(iam: Client, p: Properties, generated: str) -> CreatedResource:
    name = _named(p, "UserName", generated)
    more = _given(p, Path="Path", PermissionsBoundary="PermissionsBoundary", Tags="Tags")
    user = iam.create_user(UserName=name, **more)["User"]
    if p.get("PermissionsBoundary"):
        # moto 5.2.5 takes a user's boundary and forgets it. Snapshots are made of the details.
        pages = iam.get_paginator("get_account_authorization_details").paginate(Filter=["User"])
        details = (found for page in pages for found in page["UserDetailList"])
        _require_boundary(next(found for found in details if found["UserName"] == name), "AWS::IAM::User")
    for group in p.get("Groups") or ():
        iam.add_user_to_group(GroupName=group, UserName=name)
    for policy in p.get("Policies") or ():
        document = _text(policy["PolicyDocument"])
        iam.put_user_policy(UserName=name, PolicyName=policy["PolicyName"], PolicyDocument=document)
    for arn in p.get("ManagedPolicyArns") or ():
        iam.attach_user_policy(UserName=name, PolicyArn=arn)

    return CreatedResource(iam, name, {"Arn": user["Arn"]}, lambda: remove_user(iam, name))


def remove_user(iam: Client, name: str) -> None:
    """Delete a user with everything attached to it."""
    for group in iam.list_groups_for_user(UserName=name)["Groups"]:
        iam.remove_user_from_group(GroupName=group["GroupName"], UserName=name)
    for policy_name in iam.list_user_policies(UserName=name)["PolicyNames"]:
        iam.delete_user_policy(UserName=name, PolicyName=policy_name)
    for attached in iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]:
        iam.detach_user_policy(UserName=name, PolicyArn=attached["PolicyArn"])
    for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=name)


def _managed_policy(iam: Client, p: Properties, generated: str) -> CreatedResource:
    name = _named(p, "ManagedPolicyName", generated, 128)
    more = _given(p, Path="Path", Description="Description")
    policy = iam.create_policy(PolicyName=name, PolicyDocument=_text(p["PolicyDocument"]), **more)["Policy"]
    arn = policy["Arn"]
    for kind in ("Role", "Group", "User"):
        for target in p.get(f"{kind}s") or ():
            getattr(iam, f"attach_{kind.lower()}_policy")(**{f"{kind}Name": target}, PolicyArn=arn)

    def remove() -> None:
        attached = iam.list_entities_for_policy(PolicyArn=arn)
        for kind in ("Role", "Group", "User"):
            for entity in attached[f"Policy{kind}s"]:
                target = {f"{kind}Name": entity[f"{kind}Name"]}
                getattr(iam, f"detach_{kind.lower()}_policy")(**target, PolicyArn=arn)
        iam.delete_policy(PolicyArn=arn)

    return CreatedResource(iam, arn, {"PolicyArn": arn, "PolicyId": policy["PolicyId"]}, remove)


def _inline_policy(*kinds: str) -> Callable[[Client, Properties, str], CreatedResource]:
    """A function that creates an inline policy on entities of these kinds: `AWS::IAM::Policy` lists them (`Roles`), the
    types for a single entity name one (`RoleName`)."""

    def create(iam: Client, p: Properties, generated: str) -> CreatedResource:
        name = p["PolicyName"]
        targets = [(kind, target) for kind in kinds for target in p.get(f"{kind}s") or ()]
        targets += [(kind, p[f"{kind}Name"]) for kind in kinds if f"{kind}Name" in p]
        if not targets:
            raise UnsupportedResource("an inline policy attached to nothing; CloudFormation refuses it")
        for kind, target in targets:
            put = getattr(iam, f"put_{kind.lower()}_policy")
            put(**{f"{kind}Name": target}, PolicyName=name, PolicyDocument=_text(p["PolicyDocument"]))

        def remove() -> None:
            for kind, target in targets:
                delete = getattr(iam, f"delete_{kind.lower()}_policy")
                try:
                    delete(**{f"{kind}Name": target}, PolicyName=name)
                except iam.exceptions.NoSuchEntityException:
                    continue  # the entity, with its inline policies, is already deleted

        return CreatedResource(iam, generated, {}, remove)

    return create


def _membership(iam: Client, p: Properties, generated: str) -> CreatedResource:
    for user in p["Users"]:
        iam.add_user_to_group(GroupName=p["GroupName"], UserName=user)

    def remove() -> None:
        for user in p["Users"]:
            try:
                iam.remove_user_from_group(GroupName=p["GroupName"], UserName=user)
            except iam.exceptions.NoSuchEntityException:
                continue  # the user or group is already deleted

    return CreatedResource(iam, generated, {}, remove)


def _update_policy(policy: CreatedResource, p: Properties) -> None:
    """Create a new default version, so that the policy stays attached to its entities."""
    arn, iam = policy.physical_resource_id, policy.client
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=_text(p["PolicyDocument"]), SetAsDefault=True)
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])


def _update_role(role: CreatedResource, p: Properties) -> None:
    """Change the role in place, so that it keeps its unique ID; remove what the template does not contain."""
    name, iam = role.physical_resource_id, role.client
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=_text(p["AssumeRolePolicyDocument"]))
    iam.update_role(
        RoleName=name,
        Description=str(p.get("Description") or ""),
        MaxSessionDuration=int(p.get("MaxSessionDuration") or 3600),
    )
    written = {policy["PolicyName"]: policy["PolicyDocument"] for policy in p.get("Policies") or ()}
    for policy_name in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        if policy_name not in written:
            iam.delete_role_policy(RoleName=name, PolicyName=policy_name)
    for policy_name, document in written.items():
        iam.put_role_policy(RoleName=name, PolicyName=policy_name, PolicyDocument=_text(document))
    attached = {entry["PolicyArn"] for entry in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]}
    wanted = set(p.get("ManagedPolicyArns") or ())
    for arn in sorted(attached - wanted):
        iam.detach_role_policy(RoleName=name, PolicyArn=arn)
    for arn in sorted(wanted - attached):
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    if p.get("PermissionsBoundary"):
        iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=p["PermissionsBoundary"])
    elif "PermissionsBoundary" in iam.get_role(RoleName=name)["Role"]:
        iam.delete_role_permissions_boundary(RoleName=name)


#: The types that CloudFormation updates in place. Resources of other types are replaced, and lose what other resources
#: attached to them.
_IN_PLACE: Mapping[str, Callable[[CreatedResource, Properties], None]] = {
    "AWS::IAM::ManagedPolicy": _update_policy,
    "AWS::IAM::Role": _update_role,
}


def _oidc_provider(iam: Client, p: Properties, generated: str) -> CreatedResource:
    # Templates write the URL with or without https://; the API requires it, and the ARN omits it.
    url = f"https://{str(p['Url']).removeprefix('https://')}"
    thumbprints = p.get("ThumbprintList") or ["0" * 40]
    more = _given(p, ClientIDList="ClientIdList", Tags="Tags")
    arn = iam.create_open_id_connect_provider(Url=url, ThumbprintList=thumbprints, **more)["OpenIDConnectProviderArn"]
    return CreatedResource(
        iam, arn, {"Arn": arn}, lambda: iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    )


def _saml_provider(iam: Client, p: Properties, generated: str) -> CreatedResource:
    name = _named(p, "Name", generated, 128)
    arn = iam.create_saml_provider(SAMLMetadataDocument=p["SamlMetadataDocument"], Name=name)["SAMLProviderArn"]
    return CreatedResource(iam, arn, {"Arn": arn}, lambda: iam.delete_saml_provider(SAMLProviderArn=arn))


def _instance_profile(iam: Client, p: Properties, generated: str) -> CreatedResource:
    name = _named(p, "InstanceProfileName", generated, 128)
    profile = iam.create_instance_profile(InstanceProfileName=name, **_given(p, Path="Path"))["InstanceProfile"]
    for role in p.get("Roles") or ():
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=role)

    def remove() -> None:
        for role in iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]:
            iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role["RoleName"])
        iam.delete_instance_profile(InstanceProfileName=name)

    return CreatedResource(iam, name, {"Arn": profile["Arn"]}, remove)


_ENTITY = "Path Policies ManagedPolicyArns"
_CREATORS: Mapping[str, tuple[str, Callable[[Client, Properties, str], CreatedResource]]] = {
    "AWS::IAM::Role": (
        f"{_ENTITY} RoleName AssumeRolePolicyDocument Description MaxSessionDuration PermissionsBoundary Tags",
        _role,
    ),
    "AWS::IAM::Group": (f"{_ENTITY} GroupName", _group),
    # A LoginProfile lets the user sign in to the console; it does not change the user's permissions.
    "AWS::IAM::User": (f"{_ENTITY} UserName Groups PermissionsBoundary Tags LoginProfile", _user),
    "AWS::IAM::ManagedPolicy": (
        "ManagedPolicyName Path Description PolicyDocument Groups Roles Users",
        _managed_policy,
    ),
    "AWS::IAM::Policy": ("PolicyName PolicyDocument Groups Roles Users", _inline_policy("Role", "Group", "User")),
    "AWS::IAM::RolePolicy": ("PolicyName PolicyDocument RoleName", _inline_policy("Role")),
    "AWS::IAM::GroupPolicy": ("PolicyName PolicyDocument GroupName", _inline_policy("Group")),
    "AWS::IAM::UserPolicy": ("PolicyName PolicyDocument UserName", _inline_policy("User")),
    "AWS::IAM::UserToGroupAddition": ("GroupName Users", _membership),
    "AWS::IAM::InstanceProfile": ("InstanceProfileName Path Roles", _instance_profile),
    "AWS::IAM::OIDCProvider": ("Url ClientIdList ThumbprintList Tags", _oidc_provider),
    "AWS::IAM::SAMLProvider": ("Name SamlMetadataDocument Tags", _saml_provider),
}


def resource_class(resource_type: str, client_of: Callable[[str, str, str], Client]) -> Any:
    """The class with which moto creates resources of an IAM type; None for other types. `client_of`: (account, service,
    region) to client."""
    if resource_type not in _CREATORS:
        return None
    known, create = _CREATORS[resource_type]
    return creator(
        resource_type,
        known,
        create,
        lambda account, region: client_of(account, "iam", region),
        _IN_PLACE.get(resource_type),
    )
