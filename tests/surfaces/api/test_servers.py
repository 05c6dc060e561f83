"""The API behind its real server: large, broken and endless bodies, a full disk, a ledger that is away."""

from __future__ import annotations

import hashlib
import os
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from django.contrib.auth.models import User
from django.db import connection

from jobs_app import conf
from jobs_app.models import Artifact, Job
from tests.support.processes import eventually
from tests.surfaces.api.relay import Relay
from tests.surfaces.api.support import JSON, PROBLEM, Servers, memory_of, processes_below, token_of

MEGABYTE = 1 << 20
BLOCK = os.urandom(MEGABYTE)


def blocks(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield BLOCK


def kept_files() -> set[Path]:
    return {path for path in conf.current().artifact_dir.rglob("*") if path.is_file()}


def upload(client: httpx.Client, megabytes: int) -> httpx.Response:
    length = {"Content-Length": str(megabytes * MEGABYTE)}
    return client.post("/api/artifacts?name=large.bin", content=blocks(megabytes), headers=length)


def test_ten_megabytes_of_json_are_refused_at_once(http: httpx.Client) -> None:
    began = time.monotonic()
    response = http.post("/api/jobs", content=b'{"kind":"' + b"x" * 10_000_000, headers={"Content-Type": JSON})
    assert response.status_code == 413
    assert response.headers["Content-Type"] == PROBLEM
    assert time.monotonic() - began < 2


def test_a_body_of_unknown_length_is_refused(http: httpx.Client) -> None:
    for _ in range(5):  # the connection stays usable
        assert http.post("/api/artifacts?name=x", content=iter([b"a", b"b"])).status_code == 411
    response = http.post("/api/jobs", content=iter([b"{", b"}"]), headers={"Content-Type": JSON})
    assert (response.status_code, response.json()["code"]) == (411, "length-required")


@pytest.mark.slow
def test_memory_stays_flat_under_a_large_file(http: httpx.Client, servers: Servers) -> None:
    assert upload(http, 1).status_code == 201
    web = servers.processes["web"].pid
    before = memory_of(web)
    made = upload(http, 200).json()
    digest = hashlib.sha256()
    with http.stream("GET", made["url"]) as response:
        for block in response.iter_bytes():
            digest.update(block)
    assert digest.hexdigest() == made["sha256"]
    assert memory_of(web) - before < 32 * MEGABYTE


def test_a_download_that_broke_off_is_resumed(http: httpx.Client) -> None:
    made = upload(http, 3).json()
    with http.stream("GET", made["url"]) as response:
        got = next(response.iter_bytes(100_000))
        etag = response.headers["ETag"]
    rest = http.get(made["url"], headers={"Range": f"bytes={len(got)}-", "If-Range": etag})
    assert rest.status_code == 206
    assert got + rest.content == BLOCK * 3
    head = http.head(made["url"])
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, str(3 * MEGABYTE), b"")


def test_half_an_upload_leaves_nothing(servers: Servers, alice: User) -> None:
    before = kept_files()
    address = urlsplit(servers.web)
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        head = f"Host: localhost\r\nAuthorization: Bearer {token_of(alice)}\r\nContent-Length: 9000000\r\n\r\n"
        connection.sendall(b"POST /api/artifacts?name=half HTTP/1.1\r\n" + head.encode() + BLOCK)
        eventually(lambda: kept_files() - before, what="the upload to begin")
    eventually(lambda: kept_files() == before, what="what came of the upload to be removed")
    assert not Artifact.objects.exists()


def test_a_full_disk_is_507_and_leaves_nothing(http: httpx.Client, servers: Servers) -> None:
    before = kept_files()
    # A limit on the size of files fails a write in the middle as a full disk does.
    workers = processes_below(servers.processes["web"].pid)
    try:
        for pid in workers:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (32 * MEGABYTE, resource.RLIM_INFINITY))
        responses = [upload(http, 40), http.post("/api/artifacts", files={"file": ("large.bin", BLOCK * 40)})]
    finally:
        for pid in workers:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for response in responses:
        assert (response.status_code, response.json()["code"]) == (507, "storage-full")
    assert kept_files() == before
    assert not Artifact.objects.exists()
    assert upload(http, 40).status_code == 201


@pytest.fixture(scope="module")
def _cuttable(
    worker_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Servers, Relay]]:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite is no server that could be away")
    url = urlsplit(worker_environment["DATABASE_URL"])
    relay = Relay((url.hostname or "", url.port or 5432))
    through = url._replace(netloc=url.netloc.replace(f":{url.port}", f":{relay.port}"))
    servers = Servers({**worker_environment, "DATABASE_URL": through.geturl()}, tmp_path_factory.mktemp("cuttable"))
    try:
        servers.start_web()
        servers.start_stream()
        yield servers, relay
    finally:
        servers.stop()
        relay.close()


@pytest.fixture
def cuttable(transactional_db: None, _cuttable: tuple[Servers, Relay]) -> tuple[Servers, Relay]:
    """Servers that reach the database over a network that can be cut."""
    return _cuttable


def test_a_ledger_that_is_away_is_503_until_it_is_back(cuttable: tuple[Servers, Relay], alice: User) -> None:
    servers, relay = cuttable
    headers = {"Authorization": f"Bearer {token_of(alice)}", "Idempotency-Key": "k"}
    body = {"kind": "system.echo", "parameters": {"text": "hello"}}
    with httpx.Client(base_url=servers.web, headers=headers, timeout=30) as client:
        assert client.get("/api/jobs").status_code == 200
        relay.cut()
        for _ in range(3):
            response = client.post("/api/jobs", json=body)
            assert (response.status_code, response.json()["code"]) == (503, "ledger-away")
            assert int(response.headers["Retry-After"]) > 0
        relay.mend()
        eventually(lambda: client.get("/api/jobs").status_code == 200, what="the API to find the ledger again")
        assert [client.post("/api/jobs", json=body).status_code for _ in range(2)] == [202, 200]
    assert Job.objects.count() == 1


def test_streams_outlive_an_outage_of_the_ledger(cuttable: tuple[Servers, Relay], alice: User) -> None:
    servers, relay = cuttable
    headers = {"Authorization": f"Bearer {token_of(alice)}"}
    with httpx.Client(base_url=servers.web, headers=headers, timeout=30, follow_redirects=True) as client:
        made = client.post("/api/jobs", json={"kind": "system.echo", "parameters": {"text": "x"}}).json()
        with client.stream("GET", made["links"]["events"]) as stream:
            lines = stream.iter_lines()
            assert next(line for line in lines if line.startswith("event:")) == "event: job"
            relay.cut()
            eventually(lambda: "cannot read the ledger" in servers.log("stream"), what="the stream to miss the ledger")
            relay.mend()
            eventually(lambda: client.post(made["links"]["cancel"]).status_code == 200, what="the cancel")
            assert "event: end" in list(lines)
    assert "reads the ledger again" in servers.log("stream")
