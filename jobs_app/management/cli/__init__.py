"""The command line ``manage.py jobs``: an operator's tool on the ledger, through the core functions of every surface.

``exits`` says what each exit code means. ``parsing`` and ``options`` make command-line options, also from a kind's
parameters; ``values`` and ``uploads`` make parameters of what was typed. Each verb lives with its noun: ``kinds``,
``submitting``, ``many``, ``listing``, ``showing``, ``following``, ``cancelling``, ``fetching``. ``output`` is where all
text leaves, ``rendering`` how rows look.
"""
