-- Mark jobs as published, each with its message's time. One that somebody has changed is left alone.
UPDATE jobs_app_job
SET dispatched_at = message.at
FROM (SELECT value ->> 0 AS id, value ->> 1 AS at FROM json_each(%(rows)s)) AS message
WHERE jobs_app_job.id = message.id AND jobs_app_job.state = 'queued' AND jobs_app_job.dispatched_at IS NULL
RETURNING jobs_app_job.id
