"""A database's URL as Django wants it."""

from urllib.parse import urlsplit


def settings_of(url):
    """An entry of DATABASES, with connections that stay open."""
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": parts.username,
        "HOST": parts.hostname,
        "PORT": parts.port,
        "CONN_MAX_AGE": None,
    }
