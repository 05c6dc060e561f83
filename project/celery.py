"""The Celery application: ``celery -A project worker``."""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery

from tasks.children import ChildWatch, LoopWatch
from tasks.draining import DrainWatch

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
# So that a plain `celery -A project flower` is closed to strangers.
os.environ.setdefault("FLOWER_CONF", str(Path(__file__).with_name("flowerconfig.py")))

app = Celery("weir")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.imports = ("tasks.run", "tasks.upkeep", "tasks.presence")
app.steps["consumer"].update({ChildWatch, LoopWatch, DrainWatch})
