-- Record each job that was just claimed.
INSERT INTO jobs_app_event (job_id, attempt, at, name, source, target, reason)
SELECT value ->> 0, value ->> 1, %(now)s, 'claimed', 'queued', 'running', %(holder)s FROM json_each(%(rows)s)
