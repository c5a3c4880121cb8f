"""KMS, "Allowing users in other accounts to use a KMS key": by its ARN a key is found in its own account."""

from ministack.core.responses import get_account_id
from ministack.services import kms

from .patching import wrap


def _other_account(named):
    """The account, Region and id in the ARN of another account's key."""
    parts = str(named or "").split(":", 5)
    if len(parts) < 6 or parts[2] != "kms" or not parts[5].startswith("key/") or parts[4] == get_account_id():
        return None
    return parts[4], parts[3], parts[5].removeprefix("key/")


@wrap(kms, "_resolve_key")
def resolve_key(original, key_id_or_arn):
    """Which operations work across accounts is not checked here: the key's policy has to name the caller for any."""
    foreign = _other_account(key_id_or_arn)
    return kms._keys._data.get(foreign) if foreign else original(key_id_or_arn)


@wrap(kms, "key_policy_for_arn")
def key_policy_for_arn(original, resource_arn):
    """The key's own account decides by its policy, and the caller's by IAM: both are needed."""
    found = original(resource_arn)
    foreign = _other_account(resource_arn)
    return (found[0], foreign[0]) if found and foreign else found
