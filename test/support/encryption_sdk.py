"""Encrypts or decrypts one message with the AWS Encryption SDK for Python, with one KMS key and nothing but that one.

The settings are the environment's, the message goes in and out by standard input and output. With a stream's frames of
another length, the SDK's default suite (signed) or the one without a signature.
"""

import json
import os
import sys

import boto3
from aws_encryption_sdk import CommitmentPolicy, EncryptionSDKClient, StrictAwsKmsMasterKeyProvider
from aws_encryption_sdk.identifiers import Algorithm
from botocore.session import Session

session = json.loads(os.environ["SESSION"])
region = os.environ["REGION"]
botocore_session = Session()
botocore_session.set_credentials(session["accessKeyId"], session["secretAccessKey"], session["sessionToken"])

client = EncryptionSDKClient(
    commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT, max_encrypted_data_keys=1
)


class LocalKeys(StrictAwsKmsMasterKeyProvider):
    """As it is, but that KMS is the local AWS's."""

    def add_regional_client(self, region_name):
        self._regional_clients[region_name] = boto3.Session(botocore_session=botocore_session).client(
            "kms", region_name=region_name, endpoint_url=os.environ["ENDPOINT"]
        )


keys = LocalKeys(key_ids=[os.environ["KEY_ARN"]], botocore_session=botocore_session, region_names=[region])
source = sys.stdin.buffer.read()
if sys.argv[1] == "encrypt":
    result, _ = client.encrypt(
        source=source,
        key_provider=keys,
        algorithm=Algorithm[os.environ["ALGORITHM"]],
        frame_length=int(os.environ["FRAME_LENGTH"]),
        encryption_context=json.loads(os.environ["CONTEXT"]),
    )
else:
    result, header = client.decrypt(source=source, key_provider=keys)
    expected = json.loads(os.environ["CONTEXT"])
    if any(header.encryption_context.get(key) != value for key, value in expected.items()):
        sys.exit("the encryption context is another")
sys.stdout.buffer.write(result)
