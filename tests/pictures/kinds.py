"""What the shop in the pictures does in the background: ``KIND_MODULES=tests.pictures.kinds``."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from jobs_app.authoring import Artifact, Backoff, Chart, Child, Children, JobContext, Secret, Series, Table, job

STEP_SECONDS = 0.5
SHOPS = ("Oslo", "Bergen", "Trondheim")
DAYS = 14
Shop = Literal["Oslo", "Bergen", "Trondheim", "online"]


class Discount(BaseModel):
    """A discount."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Annotated[str, Field(pattern=r"^[A-Z0-9]{4,12}$", description="4 to 12 capitals and digits.")]
    percent: Annotated[int, Field(ge=5, le=60)] = 10


@job("orders.sync", retry=Backoff(max_attempts=3))
def sync(shop: Shop, since: date) -> dict[str, int]:
    """Fetch the orders of one shop."""
    return {"orders": 40 + len(shop), "changed": since.day}


@job("invoices.render", queue="documents")
def render(order: Annotated[int, Field(ge=1)], language: Literal["en", "nb", "de"] = "en") -> dict[str, int]:
    """Make the invoice of an order as a PDF."""
    return {"pages": 1 + order % 3}


@job("mail.digest", queue="mail", retry=Backoff(max_attempts=5))
def digest(audience: Literal["customers", "staff"], subject: str) -> dict[str, int]:
    """Mail what is new to everybody who asked for it."""
    return {"sent": len(audience) * 40}


@job("media.transcode", queue="media", timeout=timedelta(hours=2))
def transcode(
    video: str, preset: Literal["1080p", "720p"] = "1080p", seconds: float = 2.0, *, context: JobContext
) -> str:
    """Make a video ready for the web, frame by frame."""
    pause, steps = threading.Event(), max(int(seconds / STEP_SECONDS), 1)
    context.log(f"{video}: 3840 x 2160, 25 frames a second, to {preset}")
    for step in range(steps):
        context.check()
        context.progress(step, steps, f"frame {step * 12:,} of {steps * 12:,}")
        if step % 12 == 5:
            context.log(f"scene {1 + step // 12} written")
        if step == 20:
            context.log("audio drifts by 40 ms; corrected", "warning")
        pause.wait(STEP_SECONDS)
    return f"{video.rsplit('.', 1)[0]}-{preset}.mp4"


@job("catalogue.publish", children=Children())
def publish(pages: Annotated[int, Field(ge=1, le=50)] = 6, *, context: JobContext) -> None:
    """Render every page of the catalogue, each as a job of its own."""
    context.spawn_many([
        Child(
            "media.transcode", {"video": f"page-{number:02}.mov", "seconds": 900 if number == pages else 1}, str(number)
        )
        for number in range(1, pages + 1)
    ])  # fmt: skip


@job("reports.revenue")
def revenue(day: date) -> dict[str, object]:
    """Add up what each shop has sold."""
    return revenue_of(day.day)


@job("newsletters.send", queue="mail", retry=Backoff(max_attempts=5))
def newsletter(
    subject: Annotated[str, Field(min_length=3, max_length=80, description="What stands above it.")],
    audience: Annotated[Literal["everybody", "customers", "staff"], Field(description="Who gets it.")] = "customers",
    *,
    send_on: Annotated[date, Field(description="The day it goes out.")],
    most: Annotated[int, Field(ge=1, le=50_000, description="Recipients, at most.")] = 5000,
    topics: Annotated[list[str], Field(default_factory=list, max_length=5, description="Only who follows these.")],
    shops: Annotated[list[Shop], Field(default_factory=list)],
    discount: Discount | None = None,
    picture: Annotated[Artifact | None, Field(description="Shown at its head.")] = None,
    track_clicks: bool = False,
    password: Annotated[Secret | None, Field(description="Of the mail server, if not the usual one.")] = None,
) -> int:
    """Send a newsletter to those who asked for it."""
    return most


def revenue_of(seed: int) -> dict[str, object]:
    """A fortnight of sales: a chart, and the same as a table."""
    days = [f"{day} Nov" for day in range(1, DAYS + 1)]
    values = [
        [640 + 160 * place + 41 * ((seed * 5 + place * 7 + day * day * 3) % 13) for day in range(DAYS)]
        for place in range(len(SHOPS))
    ]
    rows = [[shop, sum(sold), round(sum(sold) / 61.4, 2), max(sold)] for shop, sold in zip(SHOPS, values, strict=True)]
    return {
        "total": sum(map(sum, values)),
        "chart": Chart(
            style="line", title="Revenue a day", labels=days, unit="EUR",
            series=[Series(name=shop, values=sold) for shop, sold in zip(SHOPS, values, strict=True)],
        ).model_dump(),
        "table": Table(
            title="By shop", columns=["shop", "revenue", "a customer", "best day"], rows=rows, total_rows=len(rows)
        ).model_dump(),
    }  # fmt: skip
