-- Mark jobs as published, each with its message's time. One that somebody has locked, or changed, is left alone.
-- The states are compared as expressions, so that the rows are found by their ids (see claim).
WITH free AS (
    SELECT job.id, message.at
    FROM unnest(%(id)s::uuid[], %(at)s::timestamptz[]) AS message(id, at)
    JOIN jobs_app_job AS job ON job.id = message.id
    WHERE job.state || '' = 'queued' AND coalesce(job.dispatched_at, '-infinity') = '-infinity'
    FOR NO KEY UPDATE OF job SKIP LOCKED
)
UPDATE jobs_app_job AS job
SET dispatched_at = free.at
FROM free
WHERE job.id = free.id
RETURNING job.id
