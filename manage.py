#!/usr/bin/env python
"""Django's command line for Weir."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command; a wrong environment is a sentence, not a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Django is not installed in this Python. Run `make setup`, then use .venv/bin/python manage.py …")
    from django.core.exceptions import ImproperlyConfigured

    from jobs_app.errors import BadDeclaration

    try:
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, BadDeclaration) as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
