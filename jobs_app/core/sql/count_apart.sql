-- In the order of an index each: a scan of the table would stop early only where the rows happen to lie.
SELECT queue, 'retrying', COUNT(*)
FROM (SELECT queue FROM jobs_app_job WHERE state = 'retrying' ORDER BY due_at LIMIT %(most)s) AS retrying
GROUP BY queue
UNION ALL
SELECT queue, 'scheduled', COUNT(*)
FROM (SELECT queue FROM jobs_app_job WHERE state = 'scheduled' ORDER BY due_at LIMIT %(most)s) AS scheduled
GROUP BY queue
UNION ALL
SELECT queue, 'blocked', COUNT(*)
FROM (SELECT queue FROM jobs_app_job WHERE state = 'blocked' ORDER BY queue, id LIMIT %(most)s) AS blocked
GROUP BY queue
