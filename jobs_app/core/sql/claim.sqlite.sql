-- Take every job of one message that is still queued. A second delivery finds nothing.
-- An expiry bounds the wait for the first start; a job that was started before it is tried again after it.
-- Durations are stored in microseconds and times as text.
UPDATE jobs_app_job
SET state = 'running', attempt = attempt + 1, holder = %(holder)s,
    lease_until = %(lease_until)s,
    deadline_at = strftime('%%Y-%%m-%%d %%H:%%M:%%f', %(now)s, '+' || (hard_timeout / 1000000.0) || ' seconds'),
    started_at = coalesce(started_at, %(now)s), progress = 0, progress_message = ''
WHERE id IN (SELECT value FROM json_each(%(ids)s)) AND state = 'queued'
    AND (expires_at IS NULL OR started_at IS NOT NULL OR expires_at > %(now)s)
RETURNING id, kind, queue, state, owner_id, parent_id, parameters, sealed, attempt, failures, max_attempts,
    timeout, hard_timeout, started_at, deadline_at, holder
