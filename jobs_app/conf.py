"""Weir's configuration: one frozen object, read from the environment once, checked as a whole.

``.env.example`` lists every variable; a test keeps it equal to this class.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from jobs_app import addresses
from jobs_app.errors import in_words
from jobs_app.lifecycle import FINAL, State
from jobs_app.steps import Step


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # unknown; a path outside of the zones; a folder of them
        raise ValueError("expected an IANA name such as Europe/Berlin") from None
    return name


def _off(address: str) -> str:
    return "" if address.lower() == "off" else address


def _spans(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if not _SPAN.fullmatch(word) or float(word.partition("=")[2]) > DAYS_MOST:
            raise ValueError(
                "expected entries such as datasets.profile=7 or webhooks.deliver/failed=180 "
                f"(kind, perhaps a final state, days up to {DAYS_MOST}), got {word[:80]!r}"
            )
    return words


def _long(token: str) -> str:
    if token and len(token) < TOKEN_LEAST:
        raise ValueError(f"expected at least {TOKEN_LEAST} characters, which nobody can guess")
    return token


DAYS_MOST = 36_500
TOKEN_LEAST = 16
Words = Annotated[tuple[str, ...], BeforeValidator(_split)]
_SPAN = re.compile(r"[\w.-]{1,100}(/(succeeded|failed|cancelled))?=\d{1,5}(\.\d{1,6})?")


class Configuration(BaseModel):
    """Every setting. A variable's name is the field's in upper case; units are in the name or the description."""

    model_config = ConfigDict(frozen=True)

    _mask_wrapped: ClassVar[bool] = True
    """Django's settings ask each value for this on each access; of a model that has it not, pydantic answers slowly."""

    secret_key: str = Field(min_length=32, description="Signs sessions, seals secrets; at least 32 characters.")
    secret_key_fallbacks: Words = Field((), description="Older secret keys that are still accepted, comma-separated.")
    debug: bool = Field(False, description="Django's debug pages; never in production.")
    https: bool = Field(True, description="Served over HTTPS: secure cookies, HSTS, redirect. Off for loopback only.")
    behind_proxy: bool = Field(
        False, description="Trust X-Forwarded-Proto and the last X-Forwarded-For: only behind a proxy that sets both."
    )
    allowed_hosts: Words = Field(("localhost", "127.0.0.1", "[::1]"), description="Host names served, comma-separated.")
    csrf_trusted_origins: Words = Field((), description="Origins such as https://jobs.example.org, comma-separated.")
    data_dir: Path = Field(Path("var"), description="Directory of artifacts and of the default SQLite ledger.")
    database_url: str = Field("", description="The ledger: postgres://… or sqlite:///path; default SQLite in DATA_DIR.")
    broker_url: str = Field(
        "redis://127.0.0.1:6379/0", description="redis://, rediss://, sentinel://, amqp://, amqps:// or sqs://."
    )
    time_zone: Annotated[str, AfterValidator(_zone)] = Field(
        "UTC", description="The time zone of pages and schedules, an IANA name."
    )
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR.")
    log_format: str = Field(
        "text", pattern="^(text|json)$", description="text, or json: one object a line, for machines that collect logs."
    )
    stream_url: str = Field("", description="Public base URL of the live stream process; empty: the site's own origin.")
    flower_url: Annotated[str, AfterValidator(_off)] = Field(
        "", description="Where Flower listens for this site, which shows it to staff at /flower/; off leaves it out."
    )
    flower_basic_auth: str = Field(
        "", description="Flower's user and password, as user:password; `make up` makes them up.", repr=False
    )
    release: str = Field("", max_length=100, description="What runs here, such as a tag; shown with each worker.")

    kind_modules: Words = Field((), description="Further modules with @job functions, comma-separated.")
    queues: Words = Field(("default",), description="Queues of jobs, comma-separated; 'system' is reserved.")
    window: int = Field(100, ge=1, le=100_000, description="Messages of a queue on the broker at once.")
    lease_seconds: float = Field(20, ge=1, le=3600, description="How long a claim holds without a heartbeat.")
    heartbeat_seconds: float = Field(2, ge=0.1, le=600, description="Time between heartbeats of a running job.")
    cancel_grace_seconds: float = Field(10, ge=0, le=3600, description="From a cancel until the job is forced to end.")
    stop_grace_seconds: float = Field(
        30, ge=0, le=86_400, description="How long running jobs may go on after their worker was told to stop."
    )
    ledger_patience_seconds: float = Field(
        10, ge=1, le=600, description="A worker's call to the database that takes longer is cut off and tried again."
    )
    watchdog_seconds: float = Field(
        45, ge=20, le=3600, description="A worker process whose loop stands still for longer is ended."
    )
    max_kills: int = Field(3, ge=1, le=100, description="A job that ended its worker this often fails for good.")

    queue_limit: int = Field(10_000, ge=1, le=100_000_000, description="Jobs that may wait in a queue; else 503.")
    queue_headroom: float = Field(
        0.1,
        ge=0,
        le=1,
        description="How far over the limit children of running jobs and overflow may go, as a part of it.",
    )
    queue_low_water: float = Field(
        0.9, ge=0, lt=1, description="A full queue takes jobs again below this part of its limit."
    )
    user_share: float = Field(0.5, gt=0, le=1, description="Part of a queue's limit that one user may hold; else 429.")
    token_share: float = Field(
        0.5, gt=0, le=1, description="Part of a queue's limit that one token may hold; else 429."
    )
    token_rate: float = Field(
        100, ge=0, le=1_000_000, description="Submissions a second of one API token; 0 is without bound."
    )
    token_burst: int = Field(200, ge=1, le=1_000_000, description="Submissions of a token at once, above its rate.")
    scheduled_limit: int = Field(1000, ge=1, le=10_000_000, description="Jobs due later that one user may have.")
    open_uploads: int = Field(1000, ge=1, le=10_000_000, description="Uploads no job has taken that one user may have.")
    retry_after_seconds: int = Field(300, ge=1, le=86_400, description="The longest Retry-After that is told.")

    roles_required: bool = Field(
        False, description="Only who may by a role (submitters, …) submits; else also those who are in no role."
    )
    parameters_bytes: int = Field(262_144, ge=1024, description="Largest parameters of a job, as JSON.")
    result_inline_bytes: int = Field(65_536, ge=0, description="Larger results are kept as an artifact.")
    result_bytes: int = Field(104_857_600, ge=1024, description="Larger results fail the job.")
    upload_bytes: int = Field(2_147_483_648, ge=1024, description="Largest file that may be uploaded.")
    bulk_lines: int = Field(1_000_000, ge=1, le=100_000_000, description="Lines of one bulk submission over the API.")
    bulk_seconds: float = Field(
        600, ge=1, le=86_400, description="How long one may take; lines after that are not read."
    )
    token_days: int = Field(90, ge=1, le=3650, description="Days until a new API token expires.")

    keep_succeeded_days: float = Field(
        30,
        ge=0,
        le=DAYS_MOST,
        description="How long jobs that succeeded are kept, with all of theirs; 0: for ever.",
    )
    keep_failed_days: float = Field(90, ge=0, le=DAYS_MOST, description="The same for jobs that failed.")
    keep_cancelled_days: float = Field(30, ge=0, le=DAYS_MOST, description="The same for jobs that were cancelled.")
    keep_kinds_days: Annotated[Words, AfterValidator(_spans)] = Field(
        (), description="Kinds with times of their own, comma-separated: KIND=DAYS or KIND/STATE=DAYS."
    )
    keep_uploads_days: float = Field(
        30, ge=0, le=DAYS_MOST, description="How long uploads are kept that no job takes; 0: for ever."
    )
    keep_refusals_days: float = Field(
        30,
        ge=0,
        le=DAYS_MOST,
        description="How long single refusals are kept; their sums stay. 0: for ever.",
    )
    keep_audit_days: float = Field(
        400, ge=0, le=DAYS_MOST, description="How long the audit's entries are kept; 0: for ever."
    )
    keep_minute_rollups_days: float = Field(
        14, ge=0, le=DAYS_MOST, description="How long statistics of minutes are kept; 0: for ever."
    )
    keep_hour_rollups_days: float = Field(
        180, ge=0, le=DAYS_MOST, description="How long statistics of hours are kept, not shorter than minutes."
    )
    keep_day_rollups_days: float = Field(
        3650, ge=0, le=DAYS_MOST, description="How long statistics of days are kept, not shorter than hours."
    )

    metrics_token: Annotated[str, AfterValidator(_long)] = Field(
        "", description="Opens /metrics and the details of /readyz, as a bearer token; at least 16 characters."
    )
    ready_upkeep_seconds: float = Field(
        60, ge=15, le=86_400, description="/readyz answers 503 when upkeep has not measured for so long."
    )
    ready_unserved_seconds: float = Field(
        60, ge=1, le=864_000, description="The same when a job has been due for so long and no worker takes its queue."
    )
    ready_queue_age_seconds: float = Field(
        3600, ge=0, le=8_640_000, description="The same when a job has been due for so long at all; 0: never."
    )
    ready_free_megabytes: int = Field(
        256, ge=0, le=100_000_000, description="The same when less room is left where artifacts are kept."
    )
    otel_exporter_otlp_endpoint: str = Field(
        "", description="Where traces go (OTLP over HTTP), such as http://127.0.0.1:4318; empty: none are made."
    )

    dataset_memory_megabytes: int = Field(
        256, ge=64, description="Memory one dataset job may use; DuckDB gets a part of it."
    )
    dataset_threads: int = Field(2, ge=1, le=256, description="Threads DuckDB may use for one job.")
    image_pixels: int = Field(50_000_000, ge=10_000, description="Largest picture, in pixels, that is decoded.")
    webhook_private_hosts: Words = Field((), description="Private host names that webhooks may reach, comma-separated.")

    @model_validator(mode="after")
    def _across(self) -> Configuration:
        if self.heartbeat_seconds * 3 > self.lease_seconds:
            raise ValueError(
                "expected LEASE_SECONDS of at least three times HEARTBEAT_SECONDS, so that one late heartbeat loses "
                f"no job; got {self.lease_seconds:g} and {self.heartbeat_seconds:g}"
            )
        if "system" in self.queues or not self.queues:
            raise ValueError("expected QUEUES with at least one name, and none of them 'system' (upkeep's own)")
        if self.database_url and urlsplit(self.database_url).scheme not in {"postgres", "postgresql", "sqlite"}:
            scheme = urlsplit(self.database_url).scheme
            raise ValueError(f"expected DATABASE_URL to begin with postgres:// or sqlite:///, got {scheme!r}")
        if self.otel_exporter_otlp_endpoint and urlsplit(self.otel_exporter_otlp_endpoint).scheme not in {
            "http",
            "https",
        }:
            raise ValueError("expected OTEL_EXPORTER_OTLP_ENDPOINT to begin with http:// or https://")
        addresses.parse(self.broker_url)
        spans = (self.keep_minute_rollups_days, self.keep_hour_rollups_days, self.keep_day_rollups_days)
        if sorted(spans, key=lambda days: days or math.inf) != list(spans):
            raise ValueError(
                "expected KEEP_MINUTE_ROLLUPS_DAYS, KEEP_HOUR_ROLLUPS_DAYS and KEEP_DAY_ROLLUPS_DAYS each as long as "
                f"the one before or longer, got {', '.join(format(days, 'g') for days in spans)}"
            )
        return self

    @property
    def broker_scheme(self) -> str:
        """``redis``, ``amqp``, ``sqs``, …"""
        return self.broker_address.scheme

    @property
    def broker_address(self) -> addresses.Address:
        """BROKER_URL, read."""
        return addresses.parse(self.broker_url)

    @property
    def broker_counts_exactly(self) -> bool:
        """Whether the broker knows how many messages a queue holds. SQS only estimates it."""
        return self.broker_scheme != "sqs"

    @property
    def broker_count_lag(self) -> timedelta:
        """How stale the broker's own count of a queue's messages may be. Amazon's is approximate."""
        return timedelta(seconds=30 if self.broker_scheme == "sqs" else 2)

    def kept_for(self, kind: str, state: State) -> timedelta | None:
        """How long jobs of a kind are kept that ended in that state; None is for ever."""
        if state not in FINAL:
            raise ValueError(f"expected a final state, got {state}")
        own = dict(word.split("=") for word in self.keep_kinds_days)
        usual = {
            State.SUCCEEDED: self.keep_succeeded_days,
            State.FAILED: self.keep_failed_days,
            State.CANCELLED: self.keep_cancelled_days,
        }
        return span(float(own.get(f"{kind}/{state}", own.get(kind, usual[state]))))

    def rollups_kept_for(self, step: Step) -> timedelta | None:
        """How long statistics of a step are kept; None is for ever."""
        return span(getattr(self, f"keep_{step}_rollups_days"))

    @property
    def artifact_dir(self) -> Path:
        """Where files of jobs are kept."""
        return self.data_dir / "artifacts"


def span(days: float) -> timedelta | None:
    """So many days; none for 0, which is for ever."""
    return timedelta(days=days) if days else None


def load(environment: Mapping[str, str]) -> Configuration:
    """Read the configuration from environment variables; an empty variable counts as unset.

    Raises ImproperlyConfigured with one line a fault: what was expected, what came.
    """
    given = {
        name: environment[name.upper()]
        for name in Configuration.model_fields
        if environment.get(name.upper(), "") != ""
    }
    try:
        return Configuration(**given)
    except ValidationError as error:
        lines = []
        for fault in error.errors():
            name = str(fault["loc"][0]).upper() if fault["loc"] else ""
            secret = name.startswith("SECRET") or name.endswith("_TOKEN")
            shown = "" if secret or not fault["loc"] else f", got {str(fault['input'])[:80]!r}"
            if fault["type"] == "missing":
                lines.append(f"{name}: expected a value, got none. See .env.example.")
            else:
                lines.append(f"{name + ': ' if name else ''}{in_words(fault)}{shown}")
        raise ImproperlyConfigured("The environment is not usable:\n  " + "\n  ".join(lines)) from None


def current() -> Configuration:
    """The configuration in force: ``settings.WEIR``."""
    configuration: Configuration = settings.WEIR
    return configuration
