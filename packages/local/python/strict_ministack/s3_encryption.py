"""S3 objects encrypted with a KMS key: S3 uses the key in the caller's name, and the key's state counts."""

import base64
import contextvars
import json

from ministack.core import iam_actions
from ministack.services import kms
from ministack.services import s3
from ministack.core.responses import get_account_id, get_region

from .checks import ALSO
from .kms_conditions import _of_encryption_context
from .patching import wrap

SSE = "x-amz-server-side-encryption"
KEY_ID, CONTEXT, BUCKET_KEY = f"{SSE}-aws-kms-key-id", f"{SSE}-context", f"{SSE}-bucket-key-enabled"

# The KMS keys that the request being served uses.
_keys_used = contextvars.ContextVar("strict_ministack_s3_keys", default=())
_method = contextvars.ContextVar("strict_ministack_s3_method", default="")


@wrap(iam_actions, "extract_iam_action")
def extract_iam_action(original, service, method, path, headers, body, query_params):
    """HeadObject is authorised as s3:GetObject, yet decrypts nothing: the rule below needs to know the method."""
    _method.set(method)
    return original(service, method, path, headers, body, query_params)


@wrap(iam_actions, "s3_service_context")
def s3_service_context(original, iam_action, query_params, path="", headers=None):
    """S3, "Using server-side encryption with AWS KMS keys (SSE-KMS)" and "Actions, resources, and condition keys".

    A write needs kms:GenerateDataKey and a read kms:Decrypt, of the caller, with kms:ViaService naming S3; a multipart
    upload needs both. The request's own key id is s3:x-amz-server-side-encryption-aws-kms-key-id; a part of an upload
    and its completion name none, so the upload's own request decides.
    """
    headers = headers or {}
    keys = dict(original(iam_action, query_params, path, headers) or {})
    bucket, _, name = path.lstrip("/").partition("/")
    uses = []
    if name and iam_action == "s3:PutObject":
        upload = s3._multipart_uploads.get(iam_actions._query_param(query_params or {}, "uploadId"))
        named = upload["preserved_headers"].get(KEY_ID) if upload else headers.get(KEY_ID)
        if named:
            keys[f"s3:{KEY_ID}"] = named
        uses = _uses_of_write(bucket, name, query_params or {}, headers)
    elif name and iam_action in ("s3:GetObject", "s3:GetObjectVersion") and _method.get() != "HEAD":
        uses = _uses_of_read(bucket, name, query_params or {})
    _keys_used.set(tuple(key for _, key, _ in uses))
    keys[ALSO] = [(action, _key_arn(key), _kms_keys(context)) for action, key, context in uses]
    return keys


@wrap(s3, "handle_request")
async def handle_request(original, method, path, headers, body, query_params, *args, **named):
    """S3, "Error responses": S3 passes on what KMS says of a key that is disabled, pending deletion or missing."""
    used = _keys_used.get()
    _keys_used.set(())
    for key in used:
        record = kms._resolve_key(key)
        refused = kms._check_key_state(record) if record else None
        code = "NotFoundException" if record is None else json.loads(refused[2])["__type"] if refused else None
        if code:
            return s3._error(f"KMS.{code.rpartition('#')[2]}", f"The KMS key {key} can't be used.", 400)
    return await original(method, path, headers, body, query_params, *args, **named)


@wrap(s3, "_resolve_sse_write_headers")
def resolve_sse_write_headers(original, headers, bucket_name):
    """Keeps the encryption context beside the object, since a read must give KMS the same one."""
    stored, error = original(headers, bucket_name)
    if error is None and stored.get(KEY_ID):
        stored = {**stored, **{name: headers[name] for name in (CONTEXT, BUCKET_KEY) if headers.get(name)}}
    return stored, error


def _uses_of_write(bucket, name, query_params, headers):
    """(permission, key, encryption context) for each use of a key that a write makes."""
    upload = s3._multipart_uploads.get(iam_actions._query_param(query_params, "uploadId"))
    if upload is not None:
        stored, actions = upload["preserved_headers"], ("kms:GenerateDataKey", "kms:Decrypt")
    else:
        stored, actions = s3._resolve_sse_write_headers(headers, bucket)[0] or {}, ("kms:GenerateDataKey",)
    uses = [(action, stored[KEY_ID], _context(bucket, name, stored)) for action in actions if stored.get(KEY_ID)]
    source = iam_actions._s3_source_object(headers)
    if source:
        source_bucket, _, source_name = source[0].partition(":::")[2].partition("/")
        uses += _uses_of_read(source_bucket, source_name, {"versionId": [source[1]]} if source[1] else {})
    return uses


def _uses_of_read(bucket, name, query_params):
    version = iam_actions._query_param(query_params, "versionId")
    record = ((s3._buckets.get(bucket) or {}).get("objects") or {}).get(name)
    if version:
        versions = s3._object_versions.get((bucket, name), [])
        record = next((entry for entry in versions if entry["version_id"] == version), record)
    stored = (record or {}).get("preserved_headers", {})
    return [("kms:Decrypt", stored[KEY_ID], _context(bucket, name, stored))] if stored.get(KEY_ID) else []


def _context(bucket, name, stored):
    """S3, "Encryption context": aws:s3:arn is the object's ARN, or the bucket's with an S3 Bucket Key."""
    resource = bucket if stored.get(BUCKET_KEY) == "true" else f"{bucket}/{name}"
    given = json.loads(base64.b64decode(stored[CONTEXT])) if stored.get(CONTEXT) else {}
    return {**given, "aws:s3:arn": f"arn:aws:s3:::{resource}"}


def _kms_keys(context):
    via = {"kms:ViaService": f"s3.{get_region()}.amazonaws.com", "aws:ViaAWSService": "true"}
    return {**via, "kms:CallerAccount": get_account_id(), **_of_encryption_context(context)}


def _key_arn(key):
    record = kms._resolve_key(key)
    return record["Arn"] if record else key
