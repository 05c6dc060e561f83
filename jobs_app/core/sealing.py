"""Encryption of parameters that hold secrets: Fernet (AES-128-CBC with HMAC-SHA256), keys derived from SECRET_KEY."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from jobs_app import conf
from jobs_app.errors import WeirError


class Unsealable(WeirError):
    """Sealed parameters whose key is gone."""

    code = "unsealable"
    title = "The secrets of this job cannot be opened"


def seal(value: Any) -> bytes:
    """JSON-ready ``value``, encrypted under the newest key."""
    return _fernet().encrypt(json.dumps(value).encode())


def unseal(sealed: bytes | memoryview) -> Any:
    """What was sealed. Raises Unsealable when no key in force fits."""
    try:
        return json.loads(_fernet().decrypt(bytes(sealed)))
    except InvalidToken:
        raise Unsealable(
            "expected SECRET_KEY, or one of SECRET_KEY_FALLBACKS, to be the key under which this job was submitted"
        ) from None


def _fernet() -> MultiFernet:
    configuration = conf.current()
    keys = (configuration.secret_key, *configuration.secret_key_fallbacks)
    return MultiFernet([Fernet(_derive(key)) for key in keys])


def _derive(key: str) -> bytes:
    return base64.urlsafe_b64encode(hashlib.sha256(b"weir.sealing\0" + key.encode()).digest())
