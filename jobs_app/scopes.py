"""What an API token may be used for. A token never opens more than its owner may do; its scopes open less."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """One thing a token may be used for; ``meaning`` says what."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Scope:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    READ = "jobs:read", "see jobs, files, queues, schedules, reports and statistics"
    SUBMIT = "jobs:submit", "submit jobs, run them again, upload files"
    ACT = "jobs:act", "cancel jobs and change what waits"
    QUEUES = "queues:control", "pause queues and change their bounds; control workers"
    SCHEDULES = "schedules:control", "pause schedules and run them now"
    TOKENS = "tokens:manage", "list and revoke the owner's tokens"
    WEBHOOKS = "webhooks:manage", "make and change the owner's webhooks"
    ADMIN = "admin:read", "read the audit"


USUAL = frozenset({Scope.READ, Scope.SUBMIT, Scope.ACT})
"""What the forms propose."""

FORMER = frozenset(Scope) - {Scope.ADMIN, Scope.WEBHOOKS}
"""What every token opened before there were scopes; also a new one of which nobody says anything."""


def text_of(scopes: frozenset[Scope]) -> str:
    """As a token's row keeps them: in the enum's order, between blanks."""
    return " ".join(each for each in Scope if each in scopes)


def why_not(granted: frozenset[Scope], wanted: Scope) -> str:
    """Why a token with these scopes does not open that, in words; empty if it does."""
    if wanted in granted:
        return ""
    return (
        f"expected a token with the scope {wanted} (to {wanted.meaning}), got one with "
        f"{', '.join(sorted(granted)) or 'none'}; make another token, or ask whoever gave you this one"
    )


def read(text: str) -> frozenset[Scope]:
    """From a token's row; what this release does not know opens nothing."""
    return frozenset(each for each in Scope if each in text.split())
