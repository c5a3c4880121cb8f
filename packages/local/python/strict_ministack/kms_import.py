"""Key material of one's own: which material a key takes again, for how long, and what a replica starts with."""

import hashlib

from ministack.core.responses import error_response_json, json_response, request_scope, get_account_id
from ministack.services import kms

from .kms_clock import MATERIAL, lose_material, now
from .patching import wrap

# KMS, ImportKeyMaterial, parameter ValidTo.
VALID_SECONDS_MAX = 365 * 86_400


@wrap(kms, "_store_imported_material")
def store_imported_material(original, rec, material):
    """KMS, "Importing key material": a key takes the material that it had before, and no other (its fingerprint stays)."""
    fingerprint = hashlib.sha256(material).hexdigest()
    if rec.get("_material_fingerprint", fingerprint) != fingerprint:
        message = "The key material in the request is not the key material that was imported before."
        return error_response_json("IncorrectKeyMaterialException", message, 400)
    refused = original(rec, material)
    if refused is None:
        rec["_material_fingerprint"] = fingerprint
    return refused


@wrap(kms, "_import_key_material")
def import_key_material(original, data):
    """KMS, ImportKeyMaterial: ValidTo is at most 365 days ahead and not past; a disabled key stays disabled.

    KMS, "Key states of AWS KMS keys": an import ends PendingImport, and nothing else.
    """
    valid_to = data.get("ValidTo")
    expires = data.get("ExpirationModel", "KEY_MATERIAL_EXPIRES") == "KEY_MATERIAL_EXPIRES"
    if expires and valid_to is not None and not now() < valid_to <= now() + VALID_SECONDS_MAX:
        return error_response_json("ValidationException", "ValidTo must be in the next 365 days.", 400)
    if not expires and valid_to is not None:
        return error_response_json("ValidationException", "ValidTo needs KEY_MATERIAL_EXPIRES.", 400)
    record = kms._resolve_key(data.get("KeyId", ""))
    disabled = record is not None and record["KeyState"] == "Disabled"
    parameters = {field: record[field] for field in record if field.startswith("_import_")} if record else {}
    answer = original(data)
    if record is not None and answer[0] == 200:
        if disabled:
            record["KeyState"], record["Enabled"] = "Disabled", False
        # ministack takes a token once; KMS takes it for 24 hours.
        record |= parameters
    return answer


@wrap(kms, "_delete_imported_key_material")
def delete_imported_key_material(original, data):
    """KMS, DeleteImportedKeyMaterial: the key is PendingImport, or stays pending deletion."""
    answer = original(data)
    record = kms._resolve_key(data.get("KeyId", ""))
    if answer[0] == 200 and record is not None:
        lose_material(record)
    return answer


@wrap(kms, "_replicate_key")
def replicate_key(original, data):
    """KMS, "Importing key material", multi-Region keys: a replica starts without material, and takes the primary's."""
    answer = original(data)
    primary = kms._resolve_key(data.get("KeyId", ""))
    if answer[0] != 200 or primary is None or primary["Origin"] != "EXTERNAL":
        return answer
    with request_scope(get_account_id(), data["ReplicaRegion"]):
        replica = kms._keys[primary["KeyId"]]
        replica["_material_fingerprint"] = primary["_material_fingerprint"]
        for field in MATERIAL:
            replica.pop(field, None)
        replica["KeyState"], replica["Enabled"] = "PendingImport", False
        metadata = kms._key_metadata(replica)
    return json_response(
        {"ReplicaKeyMetadata": metadata, "ReplicaPolicy": replica["Policy"], "ReplicaTags": replica["Tags"]}
    )
