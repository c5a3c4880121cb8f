"""Lists that come in pages, as AWS's do: a reader that takes the first page for the whole is found out here."""

import json
import xml.etree.ElementTree as ET

from ministack.core.responses import json_response
from ministack.services import iam, kms, tagging

from .patching import wrap

# API Reference: ListAliases, ListKeys and GetResources, what a page has where the request doesn't say.
ALIASES_DEFAULT, KEYS_DEFAULT, RESOURCES_DEFAULT = 50, 100, 100
# GetAccountAuthorizationDetails, parameter MaxItems.
ENTITIES_DEFAULT = 100
IAM_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
DETAIL_LISTS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")

ET.register_namespace("", IAM_NAMESPACE)


@wrap(kms, "_list_aliases")
def list_aliases(original, data):
    return _page(original(data), "Aliases", data, ALIASES_DEFAULT)


@wrap(kms, "_list_keys")
def list_keys(original, data):
    return _page(original({**data, "Limit": len(kms._keys)}), "Keys", data, KEYS_DEFAULT)


def _page(answer, field, data, default):
    if answer[0] != 200:
        return answer
    everything = json.loads(answer[2])[field]
    start, limit = int(data.get("Marker") or 0), data.get("Limit", default)
    more = start + limit < len(everything)
    page = {field: everything[start : start + limit], "Truncated": more}
    return json_response({**page, "NextMarker": str(start + limit)} if more else page)


@wrap(tagging, "_get_resources")
def get_resources(original, data):
    """Resource Groups Tagging API, GetResources: an empty PaginationToken ends the list."""
    answer = original(data)
    if answer[0] != 200 or data.get("ResourceARNList"):
        return answer
    everything = json.loads(answer[2])["ResourceTagMappingList"]
    start, limit = int(data.get("PaginationToken") or 0), data.get("ResourcesPerPage", RESOURCES_DEFAULT)
    more = str(start + limit) if start + limit < len(everything) else ""
    return tagging._json({"ResourceTagMappingList": everything[start : start + limit], "PaginationToken": more})


@wrap(iam, "_get_account_authorization_details")
def get_account_authorization_details(original, p):
    """IAM, GetAccountAuthorizationDetails and RoleDetail: pages over all the lists together, and a role's boundary."""
    answer = original(p)
    if answer[0] != 200:
        return answer
    root = ET.fromstring(answer[2])
    result = root.find(_name("GetAccountAuthorizationDetailsResult"))
    start, limit = int(iam._p(p, "Marker") or 0), int(iam._p(p, "MaxItems") or ENTITIES_DEFAULT)
    seen = 0
    for list_name in DETAIL_LISTS:
        entities = result.find(_name(list_name))
        for entity in list(entities):
            if not start <= seen < start + limit:
                entities.remove(entity)
            elif list_name == "RoleDetailList":
                _tell_boundary(entity)
            seen += 1
    more = start + limit < seen
    result.find(_name("IsTruncated")).text = str(more).lower()
    if more:
        ET.SubElement(result, _name("Marker")).text = str(start + limit)
    return answer[0], answer[1], ET.tostring(root, encoding="utf-8", xml_declaration=True)


def _tell_boundary(detail):
    boundary = iam._roles[detail.find(_name("RoleName")).text].get("PermissionsBoundary")
    if boundary:
        told = ET.SubElement(detail, _name("PermissionsBoundary"))
        ET.SubElement(told, _name("PermissionsBoundaryType")).text = "Policy"
        ET.SubElement(told, _name("PermissionsBoundaryArn")).text = boundary


def _name(tag):
    return f"{{{IAM_NAMESPACE}}}{tag}"
