-- In the order of an index each: a scan of the table would stop early only where the rows happen to lie.
SELECT queue, state, COUNT(*)
FROM (
  SELECT queue, state FROM jobs_app_job WHERE state IN ('retrying', 'scheduled') ORDER BY due_at LIMIT %(most)s
) AS later
GROUP BY queue, state
UNION ALL
SELECT queue, 'blocked', COUNT(*)
FROM (SELECT queue FROM jobs_app_job WHERE state = 'blocked' ORDER BY queue, id LIMIT %(most)s) AS blocked
GROUP BY queue
