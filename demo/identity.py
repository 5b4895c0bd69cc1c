"""An identity provider: it signs JSON Web Tokens with a key that nobody else
has, and publishes the public half of it.

Copyright (c) 2026, the pg_steward authors
"""

import base64
import json
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ISSUER = "https://login.bank.example"
AUDIENCE = "feature-store"


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class IdentityProvider:
    """Its Ed25519 key is made when it is made, and is never written anywhere."""

    def __init__(self):
        self._key = Ed25519PrivateKey.generate()

    def jwks(self):
        """The public key, as a JSON Web Key Set."""
        public = self._key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "demo", "use": "sig", "x": _base64url(public)}]}

    def token(self, subject, seconds=300, **claims):
        """A token for a subject, for so many seconds."""
        header = {"alg": "EdDSA", "kid": "demo", "typ": "JWT"}
        payload = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "exp": int(time.time()) + seconds, **claims}
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in (header, payload))
        return signed + "." + _base64url(self._key.sign(signed.encode()))
