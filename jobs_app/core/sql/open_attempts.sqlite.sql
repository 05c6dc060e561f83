-- Open an attempt of each job that was just claimed.
INSERT INTO jobs_app_attempt (job_id, number, outcome, holder, started_at, error_type, error, traceback)
SELECT value ->> 0, value ->> 1, 'running', %(holder)s, %(now)s, '', '', '' FROM json_each(%(rows)s)
