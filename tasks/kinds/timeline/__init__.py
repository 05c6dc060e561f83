"""`timeline`: a post is on its author's timeline at once, and reaches all who follow them in the background.

A package of kinds with tables, routes and a page of its own. ``posts`` is what people do; ``fanning`` the jobs that
carry a post to its followers, and take it back; ``api`` and ``pages`` are mounted by the project.
"""
