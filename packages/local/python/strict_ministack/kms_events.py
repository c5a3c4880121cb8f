"""The events that KMS itself puts on the account's default event bus.

KMS, "Monitor KMS keys with Amazon EventBridge": a key is gone, imported material has expired, a key was rotated.
"""

import json

from ministack.services import eventbridge


def tell(detail_type, record, **detail):
    entry = {
        "Source": "aws.kms",
        "DetailType": detail_type,
        "Detail": json.dumps({"key-id": record["KeyId"], **detail}),
        "Resources": [record["Arn"]],
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
