"""Celery on Redis with django-celery-results: a row in PostgreSQL for each job that has ended."""

import json

import control
import counting
import django
from celery import Celery
from databases import settings_of
from django.conf import settings
from redis_lists import OnRedis

settings.configure(
    DATABASES={"default": settings_of(control.DATABASE)},
    INSTALLED_APPS=["django_celery_results"],
    USE_TZ=True,
    SECRET_KEY="of no use here",
)
django.setup()

app = Celery("app_celery_results", broker=control.BROKER, backend="django-db")
app.conf.update(worker_prefetch_multiplier=64, broker_connection_retry_on_startup=True)


@app.task
def noop():
    counting.count()


@app.task
def compute():
    counting.compute()


class App(OnRedis):
    """A list of messages, and rows of results."""

    queue, held = "celery", ("unacked",)

    def prepare(self):
        """The table of results."""
        from django.core.management import call_command

        call_command("migrate", verbosity=0)

    def clear(self):
        """Forget messages and results."""
        from django_celery_results.models import TaskResult

        super().clear()
        TaskResult.objects.all().delete()

    def submit(self, kind):
        """As an application does."""
        {"noop": noop, "compute": compute}[kind].delay()

    def identity(self, message):
        """The task's id."""
        return json.loads(message)["headers"]["id"].encode()
