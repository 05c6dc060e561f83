SELECT queue, state, COUNT(*)
FROM (SELECT queue, state FROM jobs_app_job WHERE state IN ('retrying', 'scheduled') LIMIT %(most)s) AS later
GROUP BY queue, state
UNION ALL
SELECT queue, state, COUNT(*)
FROM (SELECT queue, state FROM jobs_app_job WHERE state = 'blocked' LIMIT %(most)s) AS blocked
GROUP BY queue, state
