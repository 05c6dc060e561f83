-- Extend the leases of what this process holds, and learn which were cancelled; a row that does not come back is lost.
-- The state is compared as an expression, so that the rows are found by their ids (see claim).
UPDATE jobs_app_job AS job
SET lease_until = %(lease_until)s
FROM unnest(%(ids)s::uuid[], %(attempts)s::int[]) AS held(id, attempt)
WHERE job.id = held.id AND job.attempt = held.attempt AND job.state || '' = 'running'
RETURNING job.id, job.cancel_requested_at
