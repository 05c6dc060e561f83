"""Many submissions at once: ``submit_many`` of Python, and the lines that API and command line read.

A bulk submission may be of a million jobs; it is carried out in batches of a thousand at most, each of them one
transaction, so memory stays flat and no lock lasts. (``core.bulk`` is another thing: it acts on jobs that are there.)

``lines`` are what comes in and the verdict on each; ``checking`` finds for each whether it fits its kind;
``submitting`` goes through a bulk submission batch by batch: what an earlier try has made is given back, ``admission``
lets in as many as there is room for, in one step, and ``writing`` makes their rows. A kind that has a say of its own in
its submission (a preview, uniqueness) passes ``core.submission``, job by job.
"""
