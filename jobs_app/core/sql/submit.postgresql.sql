-- Write a new job, the record that it was submitted, and what it is found by: one statement, and so one transaction.
-- The columns that a submission does not set are NULL, or as they are before the first attempt.
WITH job AS (
    INSERT INTO jobs_app_job (
        id, kind, queue, state, priority, owner_id, token_id, via, parameters, sealed, request_digest, idempotency_key,
        rerun_of_id, trace, max_attempts, timeout, hard_timeout, tags, created_at, due_at, expires_at,
        start_from, start_until, finish_from, finish_until, webhook,
        attempt, failures, kills, holder, progress, progress_message, result_bytes, error, error_type
    ) VALUES (
        %(id)s, %(kind)s, %(queue)s, %(state)s, %(priority)s, %(owner_id)s, %(token_id)s, %(via)s, %(parameters)s,
        %(sealed)s, %(request_digest)s, %(idempotency_key)s, %(rerun_of_id)s, %(trace)s, %(max_attempts)s, %(timeout)s,
        %(hard_timeout)s, %(tags)s, %(created_at)s, %(due_at)s, %(expires_at)s, %(start_from)s, %(start_until)s,
        %(finish_from)s, %(finish_until)s, %(webhook)s,
        0, 0, 0, '', 0, '', 0, '', ''
    )
), event AS (
    INSERT INTO jobs_app_event (job_id, attempt, at, name, source, target, actor_id, reason)
    VALUES (%(id)s, 0, %(now)s, %(event)s, '', %(state)s, %(actor)s, %(via)s)
)
INSERT INTO jobs_app_term (term, job_id) SELECT unnest(%(terms)s::bigint[]), %(id)s
