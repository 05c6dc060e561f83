"""Forms in a browser: checked while typing, kept when something is wrong, and all of it without scripts too."""

from __future__ import annotations

import re
from pathlib import Path

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from jobs_app.models import Artifact, Job
from tests.browser.conftest import Open
from tests.support.ledger import submitted


def test_the_browser_itself_refuses_what_is_out_of_bounds(alices: Page) -> None:
    alices.goto("/submit/system.sleep/")
    alices.fill("[name=seconds]", "3601")
    alices.click("#submit-button")
    expect(alices.locator("[name=seconds]:invalid")).to_be_focused()
    assert not Job.objects.exists()


def test_problems_stand_at_their_fields_and_nothing_is_lost(alices: Page, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("a,b\n1,2\n")
    alices.goto("/submit/probe.everything/")
    alices.fill("[name=text]", "kept")
    alices.fill("[name=count]", "5")
    alices.check("[name=colour][value=red]")
    alices.fill("[name=word]", "NOT LOWER")
    alices.fill("[name=secret]", "hunter2-secret")
    alices.check("[name=address--given]")
    alices.fill("[name=address-street]", "Quay 1")
    alices.set_input_files("[name=document]", data)
    alices.click("#submit-button")

    expect(alices.locator("[role=alert]")).to_be_focused()
    expect(alices.locator("[name=word]")).to_have_attribute("aria-invalid", "true")
    expect(alices.locator("#id_address-city_error")).to_contain_text("expected a value")
    expect(alices.locator("[name=address-street]")).to_have_value("Quay 1")
    expect(alices.locator("[name=secret]")).to_have_value("hunter2-secret")
    expect(alices.locator("[name=document-chosen]")).to_have_value(str(Artifact.objects.get().id))
    assert not Job.objects.exists()

    alices.fill("[name=word]", "lower")
    alices.fill("[name=address-city]", "Bergen")
    alices.click("#submit-button")
    alices.wait_for_url("**/jobs/*/")
    job = Job.objects.get()
    assert job.parameters["address"]["city"] == "Bergen"
    assert job.parameters["text"] == "kept"
    assert job.sealed is not None


def test_an_optional_group_opens_when_it_is_set(alices: Page) -> None:
    alices.goto("/submit/probe.everything/")
    expect(alices.locator("[name=address-city]")).to_be_hidden()
    alices.check("[name=address--given]")
    expect(alices.locator("[name=address-city]")).to_be_visible()


def test_a_file_that_is_too_large_is_said_before_it_is_sent(alices: Page, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("a,b\n1,2\n")
    alices.goto("/submit/datasets.profile/")
    chooser = alices.locator("input[type=file]")
    chooser.evaluate("input => { input.dataset.limit = '3' }")
    chooser.set_input_files(data)
    assert "larger than" in chooser.evaluate("input => input.validationMessage")


def test_forms_pages_and_cancelling_work_without_scripts(opened: Open, alice: User) -> None:
    page = opened(alice, java_script_enabled=False)
    page.goto("/submit/system.sleep/")
    page.fill("[name=seconds]", "30")
    page.click("#submit-button")
    page.wait_for_url("**/jobs/*/")
    expect(page.locator("#job-standing")).to_contain_text("queued")
    page.click("#cancel-button")
    expect(page.locator("#job-standing")).to_contain_text("cancelled")
    page.goto("/jobs/?q=state:cancelled")
    expect(page.locator("#jobs tr")).to_have_count(1)


def test_run_again_with_changes_starts_from_the_old_parameters(alices: Page, alice: User) -> None:
    old = submitted("probe.signs_in", {"login": {"name": "al", "password": "hunter2-secret"}}, owner=alice)
    alices.goto(f"/jobs/{old.id}/rerun/changed/")
    expect(alices.locator("[name=login-name]")).to_have_value("al")
    expect(alices.locator("[name=login-password]")).to_have_value("**********")
    alices.fill("[name=login-name]", "bo")
    alices.click("#submit-button")
    alices.wait_for_url("**/jobs/*/")
    assert Job.objects.get(rerun_of=old).parameters["login"]["name"] == "bo"


def test_a_new_token_can_be_read_once(alices: Page) -> None:
    alices.goto("/tokens/")
    alices.fill("[name=name]", "laptop")
    alices.click("text=Make token")
    expect(alices.locator("#new-token")).to_have_value(re.compile("^weir_"))
    alices.reload()
    expect(alices.locator("#new-token")).to_have_count(0)
    alices.get_by_role("button", name="Revoke laptop").click()
    expect(alices.locator("#confirm-question")).to_contain_text("stop working at once")
    alices.get_by_role("button", name="Revoke", exact=True).click()
    expect(alices.locator(".messages")).to_contain_text("no longer works")
