"""DynamoDB: the condition key that limits a role to some partitions of a table."""

import json
import re

from ministack.core import iam_actions
from ministack.services import dynamodb

from .patching import wrap

# The partition key may stand anywhere in the expression, and is compared with `=` only.
EQUALS = r"({name})\s*=\s*(:[A-Za-z0-9_]+)"


@wrap(iam_actions, "request_tag_context")
def request_tag_context(original, service, iam_action, body, params):
    """DynamoDB, "Specifying conditions: using condition keys": dynamodb:LeadingKeys.

    The partition keys of every item that a request names. Absent of a Scan, which names none.
    """
    keys = dict(original(service, iam_action, body, params) or {})
    if service == "dynamodb":
        leading = _leading_keys(_document(body))
        if leading:
            keys["dynamodb:LeadingKeys"] = leading
    return keys


def _document(body):
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        return {}
    return request if isinstance(request, dict) else {}


def _leading_keys(request):
    found = [_of_item(one) for one in _items(request)]
    if "KeyConditionExpression" in request:
        found.append(_of_query(request))
    return [str(value) for value in found if value is not None]


def _items(request):
    """(table, item or key) of every item of the request, whichever of DynamoDB's forms it has."""
    yield request.get("TableName"), request.get("Key") or request.get("Item")
    for table, wanted in (request.get("RequestItems") or {}).items():
        for key in wanted.get("Keys") or [] if isinstance(wanted, dict) else []:
            yield table, key
        for one in wanted if isinstance(wanted, list) else []:
            for change in one.values():
                yield table, change.get("Key") or change.get("Item")
    for one in request.get("TransactItems") or []:
        for change in one.values():
            yield change.get("TableName"), change.get("Key") or change.get("Item")


def _of_item(named):
    table, item = named
    return _value((item or {}).get(_partition_key(table)))


def _of_query(request):
    name = _partition_key(request.get("TableName"), request.get("IndexName"))
    if name is None:
        return None
    names = [name, *(alias for alias, real in (request.get("ExpressionAttributeNames") or {}).items() if real == name)]
    pattern = EQUALS.format(name="|".join(re.escape(one) for one in names))
    found = re.search(pattern, request["KeyConditionExpression"])
    return _value((request.get("ExpressionAttributeValues") or {}).get(found[2])) if found else None


def _partition_key(table, index=None):
    """Of a table by its name or ARN, or of one of its indexes."""
    described = dynamodb._tables.get(str(table).rpartition("/")[2]) or {}
    if index is not None:
        indexes = [*(described.get("GlobalSecondaryIndexes") or []), *(described.get("LocalSecondaryIndexes") or [])]
        described = next((one for one in indexes if one.get("IndexName") == index), {})
    hashed = [one["AttributeName"] for one in described.get("KeySchema") or [] if one.get("KeyType") == "HASH"]
    return hashed[0] if hashed else None


def _value(attribute):
    return next(iter(attribute.values()), None) if isinstance(attribute, dict) else None
