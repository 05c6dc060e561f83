"""Pictures of every page of the console, light and dark, for the docs: ``make pictures``."""
