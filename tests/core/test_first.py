from jobs_app.core import submission
from tests.support.processes import Workers, finished


def test_it_runs(workers: Workers) -> None:
    job = submission.submit("system.echo", {"text": "hello"})
    assert finished(job.id).state == "succeeded"


def test_it_runs_again(workers: Workers) -> None:
    job = submission.submit("system.echo", {"text": "hello"})
    assert finished(job.id).state == "succeeded"
