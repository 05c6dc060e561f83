"""Telling another system over HTTP. `addresses` keeps the platform from being used to reach into its own network,
`deliver` is the kind.
"""
