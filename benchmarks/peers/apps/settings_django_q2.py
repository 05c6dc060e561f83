"""Django's settings for django-q2 with the database as its broker."""

import control
from databases import settings_of

DATABASES = {"default": settings_of(control.DATABASE)}
INSTALLED_APPS = ["django_q"]
USE_TZ = True
SECRET_KEY = "of no use here"
Q_CLUSTER = {
    "name": "peers", "orm": "default", "workers": 2, "bulk": 50, "queue_limit": 100, "timeout": 50, "retry": 60,
    "save_limit": -1, "recycle": 100_000, "log_level": "WARNING", "scheduler": False,
}  # fmt: skip
