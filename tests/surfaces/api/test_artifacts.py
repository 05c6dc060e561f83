"""Files over HTTP: uploads in full or not at all, downloads that can be resumed and never run in a browser."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from jobs_app import conf
from jobs_app.core import artifacts
from jobs_app.models import Artifact
from tests.surfaces.api.support import client_of, problem

pytestmark = pytest.mark.django_db

CONTENT = bytes(range(256)) * 16
SIZE = len(CONTENT)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def upload(client: Client, content: bytes = CONTENT, name: str = "data.bin", content_type: str = "") -> Any:
    return client.post(f"/api/artifacts?name={name}", content, content_type=content_type or "application/octet-stream")


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def kept_files() -> list[Path]:
    return [path for path in conf.current().artifact_dir.rglob("*") if path.is_file()]


@pytest.fixture(autouse=True)
def _own_data(settings: Any, tmp_path: Path) -> None:
    settings.WEIR = settings.WEIR.model_copy(update={"data_dir": tmp_path, "upload_bytes": 100_000})


@pytest.fixture
def url(api: Client) -> str:
    """The content of an uploaded file."""
    return str(upload(api).json()["url"])


def test_an_upload_is_kept_with_its_hash(api: Client, alice: User) -> None:
    response = upload(api, name="flights 2013.csv")
    made = response.json()
    assert response.status_code == 201
    assert (made["name"], made["size"], made["sha256"]) == ("flights 2013.csv", SIZE, DIGEST)
    assert made["content_type"] == "text/csv"
    assert Artifact.objects.get(id=made["id"]).owner == alice
    assert api.get(response.headers["Location"]).json() == made
    assert body(api.get(made["url"])) == CONTENT


def test_a_form_upload_is_the_same(api: Client) -> None:
    file = SimpleUploadedFile("ü ber.csv", CONTENT, content_type="text/csv")
    made = api.post("/api/artifacts", {"file": file, "other": "ignored"}).json()
    assert (made["name"], made["sha256"], made["content_type"]) == ("ü ber.csv", DIGEST, "text/csv")
    file.seek(0)
    assert api.post("/api/artifacts?name=own.csv", {"file": file}).json()["name"] == "own.csv"


def test_a_form_without_a_file_is_pointed_at(api: Client) -> None:
    answer = problem(api.post("/api/artifacts", {"data": "x"}), 422)
    assert answer["errors"][0]["pointer"] == "#/file"


def test_a_broken_form_is_a_problem(api: Client) -> None:
    problem(api.post("/api/artifacts", b"--x", content_type="multipart/form-data; boundary="), 400)


@pytest.mark.parametrize(
    "name", ["", "..", "a/b", "a%5Cb", "../../etc/passwd", "x" * 201, "a%00b", "a%0Ab", "%E2%80%AEgnp"]
)
def test_a_wrong_name_is_refused_and_nothing_is_kept(api: Client, name: str) -> None:
    answer = problem(upload(api, name=name), 422)
    assert answer["errors"][0]["pointer"] == "query.name"
    assert not Artifact.objects.exists()
    assert not kept_files()


def test_an_empty_file_is_a_file(api: Client) -> None:
    made = api.post("/api/artifacts?name=empty", b"", content_type="text/plain", CONTENT_LENGTH="0").json()
    assert made["size"] == 0
    assert body(api.get(made["url"])) == b""
    problem(api.get(made["url"], headers={"Range": "bytes=0-"}), 416)


def test_a_large_file_is_refused_before_it_is_read(api: Client) -> None:
    problem(upload(api, b"x" * 100_001), 413, "too-large")
    # In a form the file is smaller than the body, so the core counts it.
    problem(api.post("/api/artifacts", {"file": io.BytesIO(b"x" * 100_001)}), 413, "too-large")
    assert not Artifact.objects.exists()
    assert not kept_files()


def test_a_body_without_a_length_is_refused(api: Client) -> None:
    problem(api.post("/api/artifacts?name=x", CONTENT, content_type="text/plain", CONTENT_LENGTH=""), 411)


def test_what_curl_says_of_any_body_is_not_taken_for_its_type(api: Client) -> None:
    made = upload(api, name="flights.csv", content_type="application/x-www-form-urlencoded").json()
    assert made["content_type"] == "text/csv"


def test_a_lying_type_is_not_kept(api: Client) -> None:
    assert upload(api, content_type="text/html\x01<script>").json()["content_type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=4000-", 4000, SIZE),
        ("bytes=-5", SIZE - 5, SIZE),
        ("bytes=-99999", 0, SIZE),
        (f"bytes=5-{SIZE + 5}", 5, SIZE),
        ("BYTES = 1-2", 1, 3),
    ],
)
def test_a_range_is_sent_alone(api: Client, url: str, asked: str, start: int, end: int) -> None:
    response = api.get(url, headers={"Range": asked})
    assert response.status_code == 206
    assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert response.headers["Content-Length"] == str(end - start)
    assert body(response) == CONTENT[start:end]


@pytest.mark.parametrize("asked", ["bytes=5-4", "bytes=-", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b", "bytes=1-2x"])
def test_a_range_that_makes_no_sense_counts_as_none(api: Client, url: str, asked: str) -> None:
    response = api.get(url, headers={"Range": asked})
    assert response.status_code == 200
    assert body(response) == CONTENT


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", "bytes=9999999999999999999-", "bytes=-0"])
def test_a_range_beyond_the_file_is_416(api: Client, url: str, asked: str) -> None:
    response = api.get(url, headers={"Range": asked})
    problem(response, 416, "range-not-satisfiable")
    assert response.headers["Content-Range"] == f"bytes */{SIZE}"


def test_a_download_is_resumed_only_if_the_file_is_the_same(api: Client, url: str) -> None:
    same = api.get(url, headers={"Range": "bytes=10-", "If-Range": f'"{DIGEST}"'})
    other = api.get(url, headers={"Range": "bytes=10-", "If-Range": '"another"'})
    dated = api.get(url, headers={"Range": "bytes=10-", "If-Range": "Mon, 23 Nov 2026 12:00:00 GMT"})
    assert [same.status_code, other.status_code, dated.status_code] == [206, 200, 200]
    assert (body(same), body(other)) == (CONTENT[10:], CONTENT)


def test_what_the_caller_has_is_not_sent_again(api: Client, url: str) -> None:
    for have in (f'"{DIGEST}"', f'W/"{DIGEST}"', f'"x", "{DIGEST}"', "*"):
        response = api.get(url, headers={"If-None-Match": have})
        assert response.status_code == 304
        assert response.headers["ETag"] == f'"{DIGEST}"'
        assert body(response) == b""
    assert api.get(url, headers={"If-None-Match": '"x"'}).status_code == 200
    problem(api.get(url, headers={"If-Match": '"x"'}), 412)


def test_head_tells_everything_but_the_bytes(api: Client, url: str) -> None:
    response = api.head(url, headers={"Range": "bytes=0-1"})
    assert response.status_code == 200
    assert response.headers["Content-Length"] == str(SIZE)
    assert response.headers["Accept-Ranges"] == "bytes"
    assert body(response) == b""


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("a.html", "text/html"), ("a.svg", "image/svg+xml"), ("a.pdf", "application/pdf"), ("a.js", "text/javascript")],
)
def test_nothing_is_ever_run_by_a_browser(api: Client, name: str, content_type: str) -> None:
    url = upload(api, b"<script>alert(1)</script>", name, content_type).json()["url"]
    for asked in (url, f"{url}?inline=1"):
        response = api.get(asked)
        assert response.headers["Content-Disposition"] == f'attachment; filename="{name}"'
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response.headers["Content-Security-Policy"]
        body(response)


def test_a_picture_is_shown_in_place_when_asked(api: Client) -> None:
    url = upload(api, b"no real picture", 'my "cat".png', "image/png").json()["url"]
    shown, saved = api.get(f"{url}?inline=1"), api.get(url)
    assert shown.headers["Content-Disposition"].startswith("inline")
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert saved.headers["Content-Disposition"] == 'attachment; filename="my \\"cat\\".png"'
    body(shown)
    body(saved)


def test_anothers_file_is_not_there(api: Client, bob: User, url: str) -> None:
    stranger = client_of(bob)
    problem(stranger.get(url), 404, "not-found")
    problem(stranger.get(url.removesuffix("/content")), 404, "not-found")
    file = url.split("/")[-2]
    answer = problem(
        stranger.post(
            "/api/jobs",
            {"kind": "probe.files", "parameters": {"first": file, "others": []}},
            content_type="application/json",
        ),
        422,
        "invalid-parameters",
    )
    assert answer["errors"][0]["pointer"] == "#/parameters/first"


def test_a_file_that_is_gone_from_the_disk_is_not_found(api: Client, url: str) -> None:
    artifacts.path_of(Artifact.objects.get().id).unlink()
    problem(api.get(url), 404, "not-found")
