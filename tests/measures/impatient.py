"""The Celery application as it is, but that a broker which waits for acks waits for one second only.

``celery -A tests.measures.impatient worker``: what a visibility timeout would double, it doubles at once.
"""

from __future__ import annotations

from project.celery import app

VISIBILITY_SECONDS = 1

app.conf.broker_transport_options = {
    **app.conf.broker_transport_options,
    "visibility_timeout": VISIBILITY_SECONDS,
}
