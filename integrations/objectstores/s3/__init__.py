"""S3 and what speaks its protocol, on boto3."""

import os

# Read by botocore when it is imported: its CRT signer would copy every body (2.3 times the CPU, measured over TLS).
os.environ.setdefault("BOTO_DISABLE_CRT", "true")
