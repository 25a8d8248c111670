"""boto3's `upload_file` with its defaults, a program that needs nothing else: FILE-OR-FOLDER BUCKET PREFIX URL CA."""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from botocore.config import Config

_THREADS = 8  # for a folder; `upload_file` itself has its own for a large file


def main(source: Path, bucket: str, prefix: str, endpoint: str, ca: str) -> None:
    """Send, and tell what it took before that to be able to."""
    config = Config(s3={"addressing_style": "path"}, max_pool_connections=32)
    client = boto3.client("s3", endpoint_url=endpoint, verify=ca or None, config=config)
    used, began = os.times(), time.monotonic()
    if source.is_dir():
        with ThreadPoolExecutor(_THREADS) as pool:
            list(
                pool.map(
                    lambda file: client.upload_file(str(file), bucket, prefix + file.name), sorted(source.iterdir())
                )
            )
    else:
        client.upload_file(str(source), bucket, prefix + source.name)
    print(json.dumps({"start_cpu": used.user + used.system, "wall": time.monotonic() - began}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:6])
