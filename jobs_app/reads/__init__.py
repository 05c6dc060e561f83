"""What pages, API and command line show: frozen views of the ledger's rows, and the queries behind them.

Every function takes the user who asks (None is the system) and shows that user's rows only.
"""
