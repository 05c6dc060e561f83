"""Django's settings, derived from one checked configuration. Wiring only: what a value means is in jobs_app.conf."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from jobs_app import conf
from project import brokers, unfold

WEIR = conf.load(os.environ)


def _directory(path: Path) -> Path:
    """The directory, made if it is missing. Raises ImproperlyConfigured if it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        words = f"DATA_DIR, DATABASE_URL: expected a directory that can be made at {path}, got: {error.strerror}"
        raise ImproperlyConfigured(words) from None
    return path


SECRET_KEY = WEIR.secret_key
SECRET_KEY_FALLBACKS = list(WEIR.secret_key_fallbacks)
DEBUG = WEIR.debug
ALLOWED_HOSTS = list(WEIR.allowed_hosts)
CSRF_TRUSTED_ORIGINS = list(WEIR.csrf_trusted_origins)

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "django_celery_beat",
    "ninja",
    "jobs_app",
    "tasks.kinds.timeline",
    "tasks.kinds.growing",
]
MIDDLEWARE = [
    "jobs_app.api.fallback.middleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "jobs_app.web.patience.middleware",
    "jobs_app.web.security.ContentSecurityPolicy",
    "jobs_app.web.origin.Origin",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "libraries": {"weir": "jobs_app.web.filters"},
        },
    }
]

# The ledger. SQLite: WAL so that readers do not wait, IMMEDIATE so that a transaction never has to upgrade its lock
# (WAL alone gives "database is locked" at once), FULL so that an accepted job survives a power cut.
SQLITE_OPTIONS = {
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA foreign_keys=ON;",
}
# PostgreSQL, also behind PgBouncer in transaction mode. A server whose packets no longer arrive is given up after some
# 20 s; nothing is asked for at the start of a connection that PgBouncer refuses (`options`), and nothing is left on the
# server between two transactions (prepared statements, cursors).
POSTGRESQL_OPTIONS = {
    "connect_timeout": 3,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
    "application_name": "weir",
    "prepare_threshold": None,
}
# Quoted: a folder may be called "C# 50%".
_url = WEIR.database_url or f"sqlite:///{quote(str((WEIR.data_dir / 'weir.sqlite3').absolute()))}"
_database: dict[str, Any] = dict(dj_database_url.parse(_url, conn_max_age=600, conn_health_checks=True))
# What the URL itself asks for (`?timeout=5`, `?sslmode=require`) wins.
if _database["ENGINE"].endswith("sqlite3"):
    _database["OPTIONS"] = {**SQLITE_OPTIONS, **_database.get("OPTIONS", {})}
    _directory(Path(_database["NAME"]).parent)
else:
    _database["OPTIONS"] = {**POSTGRESQL_OPTIONS, **_database.get("OPTIONS", {})}
    _database["DISABLE_SERVER_SIDE_CURSORS"] = True
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = WEIR.https
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if WEIR.https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = WEIR.https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if WEIR.behind_proxy else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Files above this size go to disk while they are uploaded; whole JSON bodies are bounded by the API itself.
FILE_UPLOAD_MAX_MEMORY_SIZE = 1 << 20
FILE_UPLOAD_TEMP_DIR = _directory(WEIR.data_dir / "incoming")
DATA_UPLOAD_MAX_MEMORY_SIZE = max(2 << 20, WEIR.parameters_bytes + (1 << 20))
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "jobs_app.forms.uploads.BoundedUpload",
]

# Routes of packages of kinds, below /api: where, and which ninja router. Their pages are in project.urls.
KIND_ROUTERS = {"/timeline": "tasks.kinds.timeline.api.router", "/datasets": "tasks.kinds.growing.api.router"}

LANGUAGE_CODE = "en-us"
TIME_ZONE = WEIR.time_zone
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = WEIR.data_dir / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    # No line tells a secret that a job was given, whoever logs it.
    "filters": {"secrets": {"()": "jobs_app.core.secrecy.Filter"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "stream": sys.stderr,
            "formatter": "line",
            "filters": ["secrets"],
        }
    },
    "root": {"handlers": ["stderr"], "level": WEIR.log_level},
    # It would log whole addresses: the ticket of a live stream, the secret in a webhook's path.
    "loggers": {"httpx": {"level": "WARNING"}},
}

UNFOLD = unfold.settings(WEIR)
globals().update(brokers.celery_settings(WEIR))
