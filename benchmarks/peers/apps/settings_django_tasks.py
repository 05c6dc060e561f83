"""Django's settings for django-tasks with its database backend."""

import control
from databases import settings_of

DATABASES = {"default": settings_of(control.DATABASE)}
INSTALLED_APPS = ["django_tasks", "django_tasks_db"]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
USE_TZ = True
SECRET_KEY = "of no use here"
