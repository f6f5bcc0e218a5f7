"""Signatures of deliveries, as the official SDKs verify them (spec 0 §19)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import textwrap
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

RSA_BITS = 2048
_LINE = 60  # characters of base64 a line, as the reference breaks them; decoders ignore the breaks


@dataclass(frozen=True, slots=True)
class Signer:
    """The server's key pair, and the name it signs with: the public URL of this API."""

    key: RSAPrivateKey
    issuer: str

    def jwt(self, payload: str) -> str:
        """RS256 over claims `data`, the whole payload as text, and `iss`."""
        return jwt.encode({"data": payload, "iss": self.issuer}, self.key, algorithm="RS256")

    @property
    def public_pem(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def public_key(self) -> str:
        """base64 of the PEM, a line feed after every 60 characters."""
        return "".join(f"{line}\n" for line in textwrap.wrap(base64.b64encode(self.public_pem).decode(), _LINE))


def new_private_key() -> str:
    """A fresh RSA key as PEM text."""
    key = generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def load_private_key(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, RSAPrivateKey)
    return key


def hmac_signature(key: str, payload: str) -> str:
    """Standard base64 of HMAC-SHA256 over the exact bytes of the body."""
    return base64.b64encode(hmac.new(key.encode(), payload.encode(), hashlib.sha256).digest()).decode()
