"""Deletion windows of KMS keys, also of multi-Region keys, whose primary waits for its replicas."""

from ministack.core.responses import get_region, json_response
from ministack.services import kms

from .kms_clock import MATERIAL, now
from .patching import wrap

SECONDS_PER_DAY = 86_400
WINDOW_DAYS_MIN, WINDOW_DAYS_MAX, WINDOW_DAYS_DEFAULT = 7, 30, 30


@wrap(kms, "_schedule_key_deletion")
def schedule_key_deletion(original, data):
    """KMS, ScheduleKeyDeletion, and "Deleting multi-Region keys".

    A primary with replicas is PendingReplicaDeletion and has no DeletionDate: its window starts when the last replica
    is deleted, not when that is scheduled.
    """
    days = data.get("PendingWindowInDays", WINDOW_DAYS_DEFAULT)
    record = kms._resolve_key(data.get("KeyId", ""))
    if record is None or not isinstance(days, int) or not WINDOW_DAYS_MIN <= days <= WINDOW_DAYS_MAX:
        return original(data)
    replicas = [region for region in record.get("_mrk_regions") or [] if region != get_region()]
    waits = record.get("_mrk_type") == "PRIMARY" and bool(replicas)
    record["KeyState"] = "PendingReplicaDeletion" if waits else "PendingDeletion"
    record["Enabled"] = False
    record["_pending_window_days"] = days
    if not waits:
        record["DeletionDate"] = int(now()) + days * SECONDS_PER_DAY
    answer = {"KeyId": record["Arn"], "KeyState": record["KeyState"], "PendingWindowInDays": days}
    return json_response(answer if waits else {**answer, "DeletionDate": record["DeletionDate"]})


@wrap(kms, "_cancel_key_deletion")
def cancel_key_deletion(original, data):
    """KMS, CancelKeyDeletion: the key is Disabled afterwards; one whose imported material is gone waits for it."""
    answer = original(data)
    record = kms._resolve_key(data.get("KeyId", ""))
    if answer[0] == 200 and record is not None:
        record.pop("_pending_window_days", None)
        if record["Origin"] == "EXTERNAL" and not any(field in record for field in MATERIAL):
            record["KeyState"] = "PendingImport"
    return answer
