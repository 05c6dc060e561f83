"""What runs in the peers' own virtual environments; there this folder is on the path. Nothing here imports Weir but
``app_weir``.
"""
