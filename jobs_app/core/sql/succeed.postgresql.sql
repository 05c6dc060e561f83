-- End attempts that succeeded, many at once: the job, its attempt and its record. What is no longer ours stays as it is.
-- The state is compared as an expression, so that the rows are found by their ids (see claim).
-- An attempt's start becomes that of its handler: in a chunk it was claimed with the others, and waited for them.
WITH done AS (
    SELECT * FROM unnest(
        %(id)s::uuid[], %(attempt)s::int[], %(result)s::text[], %(size)s::bigint[],
        %(began)s::timestamptz[], %(ended)s::timestamptz[]
    ) AS done(id, attempt, result, size, began, ended)
), moved AS (
    UPDATE jobs_app_job AS job
    SET state = 'succeeded', finished_at = done.ended, result = done.result::jsonb, result_bytes = done.size,
        progress = 1, error = '', error_type = '', holder = '', lease_until = NULL, deadline_at = NULL,
        dispatched_at = NULL
    FROM done
    WHERE job.id = done.id AND job.attempt = done.attempt AND job.state || '' = 'running'
    RETURNING job.id, job.attempt, done.began, done.ended
), attempts AS (
    UPDATE jobs_app_attempt AS attempt
    SET outcome = 'succeeded', started_at = moved.began, finished_at = moved.ended
    FROM moved
    WHERE attempt.job_id = moved.id AND attempt.number = moved.attempt AND attempt.outcome = 'running'
), events AS (
    INSERT INTO jobs_app_event (job_id, attempt, at, name, source, target, reason)
    SELECT id, attempt, ended, 'succeeded', 'running', 'succeeded', '' FROM moved
)
SELECT id FROM moved
