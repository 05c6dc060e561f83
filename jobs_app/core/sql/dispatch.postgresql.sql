-- Mark jobs as published, each with its message's time. One that somebody has locked, or changed, is left alone.
-- The state is compared as an expression (see claim), and each row is found by its id, one after the other (OFFSET keeps
-- the planner from making a join of that): where it took few rows to be free it went through the whole message for each
-- row of the table.
WITH free AS (
    SELECT job.id, message.at
    FROM unnest(%(id)s::uuid[], %(at)s::timestamptz[]) AS message(id, at)
    CROSS JOIN LATERAL (
        SELECT id FROM jobs_app_job
        WHERE id = message.id AND state || '' = 'queued' AND dispatched_at IS NULL
        OFFSET 0
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS job
)
UPDATE jobs_app_job AS job
SET dispatched_at = free.at
FROM free
WHERE job.id = free.id
RETURNING job.id
