"""A device that makes passkeys, in software: what it signs is what a real one signs (WebAuthn level 3, sections 5.8.1 and 6.1)."""

import base64
import hashlib
import json
import os
import struct
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.cose import ES256

ORIGIN = "http://localhost:8000"
PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@dataclass
class Device:
    """One passkey. `flags` are what it claims of its owner, `count` how often it has signed."""

    origin: str = ORIGIN
    flags: int = PRESENT | VERIFIED
    count: int = 0
    handle: bytes = b""
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: bytes = field(default_factory=lambda: os.urandom(32))

    def make(self, options: dict[str, Any], *, host: str = "localhost") -> dict[str, Any]:
        """The answer to `navigator.credentials.create`."""
        self.handle = base64.urlsafe_b64decode(options["user"]["id"] + "==")
        key = cbor.encode(dict(ES256.from_cryptography_key(self.key.public_key())))
        data = self._data(host, self.flags | ATTESTED) + bytes(16) + struct.pack(">H", len(self.id)) + self.id + key
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        response = {"clientDataJSON": text(self._client("webauthn.create", options)), "attestationObject": text(attestation)}
        return {"id": text(self.id), "rawId": text(self.id), "type": "public-key", "clientExtensionResults": {}, "response": response}

    def sign(self, options: dict[str, Any], *, host: str = "localhost") -> dict[str, Any]:
        """The answer to `navigator.credentials.get`."""
        self.count += 1
        data, client = self._data(host, self.flags), self._client("webauthn.get", options)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {"clientDataJSON": text(client), "authenticatorData": text(data), "signature": text(signature)}
        if self.handle:
            response["userHandle"] = text(self.handle)
        return {"id": text(self.id), "rawId": text(self.id), "type": "public-key", "clientExtensionResults": {}, "response": response}

    def _data(self, host: str, flags: int) -> bytes:
        return hashlib.sha256(host.encode()).digest() + struct.pack(">BI", flags, self.count)

    def _client(self, kind: str, options: dict[str, Any]) -> bytes:
        return json.dumps({"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}).encode()
