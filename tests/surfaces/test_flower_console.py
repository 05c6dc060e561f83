"""Flower through the console: for staff with the permission alone, looking only, and nothing of ours passed on."""

from __future__ import annotations

import base64
import hashlib
import http.server
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from jobs_app.web import flower as passing
from tests.support.ledger import HOLDER, claimed, submitted
from tests.support.processes import eventually
from tests.surfaces.processes import Broker, celery, environment_with, free_port
from tests.surfaces.test_flower import LOGIN, Flower

pytestmark = [pytest.mark.slow]

INLINE = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)


@pytest.fixture(scope="module")
def flower(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flower]:
    directory, port = tmp_path_factory.mktemp("console"), free_port()
    broker = Broker(directory / "broker")
    broker.start()
    environment = environment_with(broker, {}, FLOWER_BASIC_AUTH=":".join(LOGIN))
    with celery("flower", f"--port={port}", environment=environment, log=directory / "flower.log") as running:
        made = Flower(running, port)
        eventually(made.ready, what="Flower to answer")
        yield made
    broker.stop()


@pytest.fixture
def set_up(configured: Callable[..., None], flower: Flower) -> None:
    configured(flower_url=flower.base, flower_basic_auth=":".join(LOGIN))


@pytest.fixture
def looker(carol: User) -> Client:
    """The browser of someone of the staff who may look."""
    carol.user_permissions.add(Permission.objects.get(codename="open_flower"))
    return logged_in(User.objects.get(pk=carol.pk))


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


class Impostor:
    """Answers in Flower's place with what a test wants, and notes what it was asked."""

    def __init__(self) -> None:
        self.status, self.headers, self.body = 200, {"Content-Type": "text/html"}, b"hello"
        self.asked: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, dict(self.headers)))
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *_: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def impostor(configured: Callable[..., None]) -> Iterator[Impostor]:
    made = Impostor()
    configured(flower_url=f"http://127.0.0.1:{made.server.server_port}/flower", flower_basic_auth="weir:a-password")
    yield made
    made.server.shutdown()
    made.server.server_close()


def text(answer: object) -> str:
    return answer.getvalue().decode()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("set_up")
def test_staff_with_the_permission_see_its_pages_and_files(looker: Client) -> None:
    for path in ("", "workers", "tasks", "broker"):
        answer = looker.get(f"/flower/{path}")
        page = text(answer)
        assert answer.status_code == 200, path
        assert 'href="/flower/static/css/' in page
        assert 'value="/flower' in page or 'value="flower"' in page
        policy = answer["Content-Security-Policy"]
        scripts = policy.partition("script-src")[2].partition(";")[0]
        assert "unsafe" not in scripts
        for script in INLINE.findall(page):
            assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in scripts, "it would not run"
        assert not re.search(r"\son\w+=", page)
    style = looker.get("/flower/static/css/flower.css")
    assert (style.status_code, style["Content-Type"]) == (200, "text/css")
    assert "max-age" in style["Cache-Control"]
    assert style.getvalue()
    table = looker.post("/flower/tasks/datatable", {
        "draw": "1", "start": "0", "length": "10", "order[0][column]": "0", "columns[0][data]": "name",
    })  # fmt: skip
    assert table.status_code == 200
    assert b'"recordsTotal": 0' in table.getvalue()
    missing = looker.get("/flower/no/such/page")
    assert (missing.status_code, bool(missing.getvalue())) == (404, True)


@pytest.mark.usefixtures("set_up")
def test_nobody_else_learns_that_there_is_one(alice: User, carol: User) -> None:
    unknown = ("/flower/", "/flower/tasks", "/flower/api/workers", "/flower/metrics", "/flower/static/js/flower.js")
    for path in unknown:
        assert Client().get(path)["Location"].startswith("/login/?next=")
        for user in (alice, carol):  # a user; staff without the permission
            assert logged_in(user).get(path).status_code == 404, (path, user)
    alice.user_permissions.add(Permission.objects.get(codename="open_flower"))
    assert logged_in(User.objects.get(pk=alice.pk)).get("/flower/").status_code == 404, "the permission, but not staff"
    assert "/flower/" not in logged_in(carol).get("/").content.decode()


@pytest.mark.usefixtures("set_up")
def test_it_looks_only(looker: Client) -> None:
    for path in ("api/worker/shutdown/any", "api/task/revoke/any", "api/task/send-task/system.echo", ""):
        for method in ("post", "put", "delete", "patch", "options"):
            assert getattr(looker, method)(f"/flower/{path}").status_code == 405, (method, path)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = looker.cookies
    assert strict.post("/flower/api/task/revoke/any").status_code == 403


def test_the_menu_and_a_jobs_attempts_lead_to_it(looker: Client, impostor: Impostor, alice: User) -> None:
    job = claimed(submitted(owner=alice))
    page = looker.get(reverse("job", args=[job.id])).content.decode()
    assert 'href="/flower/"' in page
    assert f'href="/flower/task/{HOLDER.rpartition("/")[2]}"' in page
    assert "/flower/" not in logged_in(alice).get(reverse("job", args=[job.id])).content.decode()


def test_nothing_of_ours_is_passed_on_and_nothing_of_its_own_but_what_is_needed(
    looker: Client, impostor: Impostor
) -> None:
    impostor.headers |= {"Set-Cookie": "sessionid=theirs", "X-Secret": "1", "ETag": '"one"', "Server-Timing": "x"}
    answer = looker.get("/flower/tasks?state=FAILURE", headers={"Authorization": "Bearer mine", "If-None-Match": '"0"'})
    assert text(answer) == "hello"
    path, headers = impostor.asked[0]
    assert path == "/flower/tasks?state=FAILURE"
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"weir:a-password").decode()
    assert headers["If-None-Match"] == '"0"'
    assert not {"Cookie", "Referer", "X-Csrftoken"} & set(headers)
    assert answer["ETag"] == '"one"'
    assert not {"X-Secret", "Server-Timing"} & set(answer.headers)
    assert "sessionid" not in answer.cookies
    looker.get("/flower/").getvalue()
    assert "Cookie" not in impostor.asked[1][1], "not even its own, which may be another user's"
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize(
    "path", ["../admin/", "a/../../x", "..", "%2e%2e/x", "a/%2e%2e/x", "a%5c..%5cx", "//evil.example/", "a//b", "x%00y"]
)
def test_no_path_leads_out_of_it(looker: Client, impostor: Impostor, path: str) -> None:
    assert looker.get(f"/flower/{path}").status_code == 404
    assert impostor.asked == []


@pytest.mark.parametrize(
    ("location", "led"),
    [
        ("/flower/tasks", "/flower/tasks"), ("https://evil.example/", "/flower/"), ("//evil.example/", "/flower/"),
        ("/admin/", "/flower/"), ("/flower/\\evil", "/flower/"), ("javascript:alert(1)", "/flower/"), ("", "/flower/"),
    ],
)  # fmt: skip
def test_it_leads_nowhere_else(looker: Client, impostor: Impostor, location: str, led: str) -> None:
    impostor.status, impostor.headers = 302, {"Location": location, "Content-Length": "0"}
    impostor.body = b""
    assert looker.get("/flower/").headers["Location"] == led


def test_a_flower_that_is_off_or_fails_is_said_in_words(
    looker: Client, impostor: Impostor, configured: Callable[..., None]
) -> None:
    for status, words in ((500, "an error of Flower"), (401, "the password of FLOWER_BASIC_AUTH")):
        impostor.status = status
        answer = looker.get("/flower/")
        assert (answer.status_code, words in answer.content.decode()) == (502, True)
        assert "hello" not in answer.content.decode()
    configured(flower_url=f"http://127.0.0.1:{free_port()}/flower")
    answer = looker.get("/flower/")
    assert answer.status_code == 503
    assert "Flower does not answer" in answer.content.decode()
    configured(flower_url="")
    assert looker.get("/flower/").status_code == 404


def test_what_it_sends_is_bounded_and_its_place_is_given_back(
    looker: Client, impostor: Impostor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "MOST_BYTES", 1000)
    monkeypatch.setattr(passing, "WAIT_SECONDS", 0.05)
    impostor.body = b"x" * 2000
    for _ in range(passing.AT_ONCE + 1):
        with pytest.raises(OSError, match="cut off"):
            looker.get("/flower/").getvalue()
    impostor.headers |= {"Content-Length": "2000"}
    assert looker.get("/flower/").status_code == 502
    impostor.headers["Content-Length"], impostor.body = "5", b"hello"
    unread = [looker.get("/flower/") for _ in range(passing.AT_ONCE)]
    assert looker.get("/flower/").status_code == 503, "others are at it"
    for each in unread:
        assert text(each) == "hello"
    assert text(looker.get("/flower/")) == "hello"
    assert looker.head("/flower/").status_code == 200


def test_files_that_have_not_changed_are_not_sent_again(looker: Client, set_up: None, tmp_path: Path) -> None:
    first = looker.get("/flower/static/css/flower.css")
    first.getvalue()
    again = looker.get("/flower/static/css/flower.css", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.getvalue()) == (304, b"")
