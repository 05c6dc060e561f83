"""Submitting as people do it: a file dropped on a form, the upload watched, the result fetched; and nothing lost."""

from __future__ import annotations

import json
import re
from pathlib import Path

from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect

from jobs_app.models import Artifact, Job
from tests.browser.conftest import Open
from tests.support.processes import Workers

PHONE = {"width": 360, "height": 740}
DROP = """(area, [name, text]) => {
  const given = new DataTransfer();
  given.items.add(new File([text], name, { type: "text/csv" }));
  for (const kind of ["dragover", "drop"]) {
    area.dispatchEvent(new DragEvent(kind, { dataTransfer: given, bubbles: true, cancelable: true }));
  }
}"""


def slowly(page: Page, upload: float) -> None:
    """A line that sends so many bytes a second; 0 is without bound."""
    session = page.context.new_cdp_session(page)
    line = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": upload or -1}
    session.send("Network.emulateNetworkConditions", line)


def test_on_a_phone_a_file_is_dropped_watched_and_its_result_downloaded(
    opened: Open, alice: User, workers: Workers, tmp_path: Path
) -> None:
    page = opened(None, viewport=PHONE)
    page.goto("/submit/datasets.aggregate/")
    page.fill("[name=username]", "alice")
    page.fill("[name=password]", "alice's password")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/submit/datasets.aggregate/")
    rows = "".join(f"{'ABC'[number % 3]},{number % 50},{'x' * 80}\n" for number in range(9000))
    page.locator(".files").evaluate(DROP, ["flights.csv", f"carrier,delay,note\n{rows}"])
    expect(page.locator(".files-told")).to_have_text(re.compile(r"flights\.csv, \d+\.\d KB"))
    page.get_by_label("Group by").fill("carrier")
    page.get_by_label("Measure").fill("delay")
    slowly(page, 400_000)
    page.get_by_role("button", name="Submit job").click()
    expect(page.locator(".upload .percent")).to_have_text(re.compile(r"\d+ % · .+ of "))
    expect(page.get_by_role("progressbar", name="Uploading")).to_be_visible()

    page.wait_for_url("**/jobs/*/")
    slowly(page, 0)
    expect(page.locator("#job-standing")).to_have_attribute("data-final", "yes")
    expect(page.get_by_role("table").first.locator("tbody tr")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    with page.expect_download() as started:
        page.get_by_role("link", name=re.compile(r"\.csv$")).first.click()
    assert "carrier" in started.value.path().read_text()


def test_what_was_typed_outlives_a_network_that_fails_and_a_session_that_ends(alices: Page, alice: User) -> None:
    alices.goto("/submit/probe.everything/")
    alices.fill("[name=text]", "kept")
    alices.fill("[name=count]", "5")
    alices.check("[name=colour][value=red]")
    alices.check("[name=address--given]")
    alices.fill("[name=address-city]", "Bergen")
    alices.fill("[name=secret]", "hunter2-secret")
    alices.context.set_offline(True)
    alices.click("#submit-button")
    expect(alices.locator("[data-unsent]")).to_contain_text("could not be reached")
    expect(alices.locator("[name=secret]")).to_have_value("hunter2-secret")
    alices.context.set_offline(False)

    Session.objects.all().delete()
    alices.click("#submit-button")
    alices.wait_for_url("**/login/?next=/submit/probe.everything/")
    assert "hunter2" not in alices.evaluate("JSON.stringify(sessionStorage)")
    alices.fill("[name=username]", "alice")
    alices.fill("[name=password]", "alice's password")
    alices.get_by_role("button", name="Log in").click()
    alices.get_by_role("button", name="Fill it in again").click()
    for name, value in (("text", "kept"), ("count", "5"), ("address-city", "Bergen"), ("secret", "")):
        expect(alices.locator(f"[name={name}]")).to_have_value(value)
    expect(alices.locator("[name=colour][value=red]")).to_be_checked()
    alices.click("#submit-button")
    alices.wait_for_url("**/jobs/*/")
    assert Job.objects.get().parameters["address"]["city"] == "Bergen"
    alices.goto("/submit/probe.everything/")
    expect(alices.locator("#draft-offer")).to_be_hidden()


def test_every_problem_is_said_at_its_field_before_anything_is_sent(alices: Page) -> None:
    alices.goto("/submit/probe.everything/")
    alices.fill("[name=count]", "1000")
    alices.fill("[name=word]", "NOT LOWER")
    alices.click("#submit-button")
    expect(alices.locator("[name=text]")).to_be_focused()
    for name, said in (
        ("text", "expected a value, got none"),
        ("count", "expected at most 100, got 1000"),
        ("word", "expected text that fits ^[a-z]+$"),
    ):
        field = alices.locator(f".field:has([name={name}])")
        expect(field.locator("[data-here]")).to_have_text(said)
        expect(alices.locator(f"[name={name}]")).to_have_attribute("aria-describedby", re.compile(f"id_{name}_here"))
    alices.fill("[name=count]", "10")
    expect(alices.locator(".field:has([name=count]) [data-here]")).to_have_count(0)
    assert not Job.objects.exists()


def test_a_list_of_objects_is_filled_in_by_rows(alices: Page) -> None:
    alices.goto("/submit/probe.everything/")
    alices.fill("[name=text]", "x")
    alices.fill("[name=count]", "1")
    alices.check("[name=colour][value=red]")
    area = alices.locator(".field:has([name=addresses])")
    expect(area.locator("textarea")).to_be_hidden()
    for city in ("Oslo", "Bergen", "Lom"):
        area.get_by_role("button", name="Add one").click()
        area.locator(".row").last.get_by_label("City").fill(city)
    area.locator(".row").last.get_by_label("Verified").check()
    area.get_by_role("button", name="Remove 2").click()
    assert [each["city"] for each in json.loads(area.locator("textarea").input_value())] == ["Oslo", "Lom"]
    alices.click("#submit-button")
    alices.wait_for_url("**/jobs/*/")
    sent = Job.objects.get().parameters["addresses"]
    assert [(each["city"], each["verified"]) for each in sent] == [("Oslo", False), ("Lom", True)]
    assert not Artifact.objects.exists()
