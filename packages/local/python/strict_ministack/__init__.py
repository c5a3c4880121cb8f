"""ministack as AWS answers: the rules of IAM, KMS and S3 that ministack 1.5.33 leaves out.

Each module holds the rules of one concern and wraps ministack's own functions (see patching.py). Every rule refuses or
narrows something, or fills in a condition key that ministack leaves empty (an empty key already fails closed); none of
them allows what ministack refuses without AWS allowing it too. Each names the AWS page it comes from:

- "KMS": AWS Key Management Service Developer Guide, or its API Reference where an operation is named
- "IAM": AWS Identity and Access Management User Guide, or its API Reference where an operation is named
- "S3": Amazon S3 User Guide, or its API Reference where an operation is named

Start it with `python -m strict_ministack` (see __main__.py for its environment variables).
"""
