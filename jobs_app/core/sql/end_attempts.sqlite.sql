-- End the attempts of jobs that have just succeeded. Their start becomes that of their handlers.
UPDATE jobs_app_attempt
SET outcome = 'succeeded', started_at = done.began, finished_at = done.ended
FROM (
    SELECT value ->> 0 AS id, value ->> 1 AS attempt, value ->> 4 AS began, value ->> 5 AS ended
    FROM json_each(%(rows)s)
) AS done
WHERE job_id = done.id AND number = done.attempt AND outcome = 'running'
