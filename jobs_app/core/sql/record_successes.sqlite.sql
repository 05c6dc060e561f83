-- Record each job that has just succeeded.
INSERT INTO jobs_app_event (job_id, attempt, at, name, source, target, reason)
SELECT value ->> 0, value ->> 1, value ->> 5, 'succeeded', 'running', 'succeeded', '' FROM json_each(%(rows)s)
