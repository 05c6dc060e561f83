"""Acting on many jobs: cancel, retry, run again, change priority. A bulk action is itself a job, of kind ``jobs.bulk``.

``orders`` say what is to be done, and to which jobs: those that a search means, or a list of ids. ``judging`` tells of
one job, without a database, what becomes of it, or why nothing can. ``planning`` counts that before anything is done,
and submits the job. ``turns`` are how its handler goes through them: a page of ids at a time, each in a short
transaction together with the checkpoint that tells where it got to, so that a killed worker's successor goes on with
the next page, and nothing is done twice or counted twice. What cannot be done by a statement for the whole page (new
jobs; rows that others held) is left to turns that take jobs one by one. ``tallies`` add up what came of it.

Who asked is the owner of the job. Their permissions are looked at for each page, as they are then.
"""
