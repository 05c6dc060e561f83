"""Webhooks: telling other systems that jobs have ended.

``core.rollups.ending`` notes each end for each endpoint that is to be told, once, in the transaction that counts it.
``sending`` hands the notes to jobs of the kind ``webhooks.deliver``, which sign them (Standard Webhooks) and try again;
so a delivery is at least once, and keeps its id over all tries and replays. ``endpoints`` is what people change.
"""
