"""
Keys and certificates of the exchange, made once and kept beside its state.

The API key file has the form in which Coinbase hands keys out; a second one holds the same key
name with an Ed25519 secret. Both are accepted. The certificate authority vouches for loopback
addresses only.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tf_lib.simulator.venue import derived_uuid

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_KEY, _ED_KEY, _CA, _SERVER = "key.json", "key_ed25519.json", "ca.pem", "server.pem"


@dataclass(frozen=True)
class Credentials:
    """Files a client and the server need, and the keys the server trusts."""

    ca_file: Path
    server_file: Path
    key_file: Path
    ed25519_key_file: Path
    key_names: frozenset[str]
    public_keys: dict[str, Any]


def open_credentials(folder: Path, portfolio_uuid: str) -> Credentials:
    """Read the files of a folder; what is missing is made, readable by the owner alone."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    if not all((folder / name).exists() for name in (_CA, _SERVER)):
        _make_certificates(folder)
    if not all((folder / name).exists() for name in (_KEY, _ED_KEY)):
        _make_keys(folder, portfolio_uuid)
    key = json.loads((folder / _KEY).read_text(encoding="ascii"))
    edwards = json.loads((folder / _ED_KEY).read_text(encoding="ascii"))
    return Credentials(
        ca_file=folder / _CA,
        server_file=folder / _SERVER,
        key_file=folder / _KEY,
        ed25519_key_file=folder / _ED_KEY,
        key_names=frozenset({key["name"], edwards["name"]}),
        public_keys={
            "ES256": _ecdsa_public(key["privateKey"]),
            "EdDSA": _ed25519_public(edwards["privateKey"]),
        },
    )


def _make_certificates(folder: Path) -> None:
    import trustme

    authority = trustme.CA(organization_name="tf_lib simulated exchange")
    server = authority.issue_cert(*LOOPBACK)
    _write(folder / _CA, authority.cert_pem.bytes())
    chain = b"".join(blob.bytes() for blob in server.cert_chain_pems)
    _write(folder / _SERVER, server.private_key_pem.bytes() + chain)


def _make_keys(folder: Path, portfolio_uuid: str) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    organization = derived_uuid("organization", portfolio_uuid)
    name = f"organizations/{organization}/apiKeys/{derived_uuid('key', portfolio_uuid)}"
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        form.Encoding.PEM, form.PrivateFormat.TraditionalOpenSSL, form.NoEncryption()
    )
    _write_key(folder / _KEY, name, pem.decode("ascii"))
    edwards = ed25519.Ed25519PrivateKey.generate()
    secret = edwards.private_bytes_raw() + edwards.public_key().public_bytes_raw()
    _write_key(folder / _ED_KEY, name, base64.b64encode(secret).decode("ascii"))


def _write_key(path: Path, name: str, secret: str) -> None:
    text = json.dumps({"name": name, "privateKey": secret}, indent=2)
    _write(path, text.encode("ascii"))


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.replace(path)


def _ecdsa_public(pem: str) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(pem.encode("ascii"), password=None).public_key()


def _ed25519_public(secret: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret)[:32]).public_key()
