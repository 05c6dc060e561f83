-- Take every job of one message that is still queued, and open an attempt of each. A second delivery finds nothing.
-- An expiry bounds the wait for the first start; a job that was started before it is tried again after it.
-- The state is compared as an expression: else the planner, when its statistics are old, may read all of a partial
-- index instead of these few rows by their ids.
-- Rows are locked in the order of their ids, so that two claims of overlapping messages cannot deadlock.
WITH mine AS (
    SELECT id FROM jobs_app_job
    WHERE id = ANY(%(ids)s::uuid[]) AND state || '' = 'queued'
        AND (expires_at IS NULL OR started_at IS NOT NULL OR expires_at > %(now)s)
    ORDER BY id
    FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE jobs_app_job AS job
    SET state = 'running', attempt = attempt + 1, holder = %(holder)s,
        lease_until = %(lease_until)s, deadline_at = %(now)s + hard_timeout,
        started_at = coalesce(started_at, %(now)s), progress = 0, progress_message = ''
    FROM mine
    WHERE job.id = mine.id
    RETURNING job.id, kind, queue, state, owner_id, parent_id, parameters, sealed, attempt, failures, max_attempts,
        extract(epoch FROM timeout)::float8 AS soft_seconds, extract(epoch FROM hard_timeout)::float8 AS hard_seconds,
        holder
), attempts AS (
    INSERT INTO jobs_app_attempt (job_id, number, outcome, holder, started_at, error_type, error, traceback)
    SELECT id, attempt, 'running', holder, %(now)s, '', '', '' FROM taken
), events AS (
    INSERT INTO jobs_app_event (job_id, attempt, at, name, source, target, reason)
    SELECT id, attempt, %(now)s, 'claimed', 'queued', 'running', holder FROM taken
)
SELECT * FROM taken
