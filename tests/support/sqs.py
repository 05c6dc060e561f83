"""A local Amazon SQS: a moto server, which keeps everything in memory, so that a restart loses queues and messages."""

from __future__ import annotations

import importlib.util
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs_app.platform.ports import HOST
from tests.support.missing import missing
from tests.support.servers import Broker

REGION = "us-east-1"
PREFIX = "weir-test-"


class SQS(Broker):
    """A moto server. It checks no credentials."""

    start_seconds = 30.0

    def __init__(self, directory: Path) -> None:
        for module in ("moto", "flask", "pycurl"):
            if importlib.util.find_spec(module) is None:
                missing(f"expected the Python package {module}, found none: install requirements/development.txt")
        super().__init__(directory)
        self.endpoint = f"http://{HOST}:{self.port}"
        self.url = f"sqs://testing:testing@{HOST}:{self.port}/?region={REGION}&secure=false&prefix={PREFIX}&wait=1"

    def flush(self) -> None:
        """Lose every message that no worker has in its hands."""
        client = self.client()
        for queue in self.queues():  # received and deleted, since a queue may be purged once a minute only
            while found := client.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
                for each in found:
                    client.delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])

    def delete_queues(self) -> None:
        """Lose every queue, with what is in it."""
        for queue in self.queues():
            self.client().delete_queue(QueueUrl=queue)

    def kept(self) -> Sequence[Path]:
        """Nothing."""
        return []

    def queues(self) -> list[str]:
        """The addresses of all queues."""
        found: list[str] = self.client().list_queues().get("QueueUrls", [])
        return found

    def client(self) -> Any:
        """A boto3 client for what else is to be done to it."""
        import boto3

        return boto3.client(
            "sqs", region_name=REGION, endpoint_url=self.endpoint, aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )  # fmt: skip

    def command(self) -> Sequence[str]:
        """What starts the server in the foreground."""
        return [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(self.port)]

    def environment(self) -> Mapping[str, str]:
        """Keep it from looking for Amazon's own services."""
        return {"AWS_EC2_METADATA_DISABLED": "true", "MOTO_ENABLE_ISO_REGIONS": "false"}

    def answers(self) -> bool:
        """Whether it serves."""
        try:
            with urllib.request.urlopen(f"{self.endpoint}/moto-api/", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
