-- End attempts that succeeded, many at once. What is no longer ours stays as it is.
UPDATE jobs_app_job
SET state = 'succeeded', finished_at = done.ended, result = done.result, result_bytes = done.size,
    progress = 1, error = '', error_type = '', holder = '', lease_until = NULL, deadline_at = NULL,
    dispatched_at = NULL
FROM (
    SELECT value ->> 0 AS id, value ->> 1 AS attempt, value ->> 2 AS result, value ->> 3 AS size, value ->> 5 AS ended
    FROM json_each(%(rows)s)
) AS done
WHERE jobs_app_job.id = done.id AND jobs_app_job.attempt = done.attempt AND jobs_app_job.state = 'running'
RETURNING jobs_app_job.id
