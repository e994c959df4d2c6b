"""Whom a TLS connection believes: the system's authorities, and certifi's on an image that has none."""

from __future__ import annotations

import ssl
from urllib.parse import quote

import certifi

from logrules.core.guarding.database_url import SYSTEM


def with_system_roots(dsn: str) -> str:
    """The database driver does not know `sslrootcert=system`: it gets the system's file, else certifi's."""
    file = ssl.get_default_verify_paths().cafile or certifi.where()
    return dsn.replace(f"sslrootcert={SYSTEM}", f"sslrootcert={quote(file)}")


def context() -> ssl.SSLContext:
    """For HTTPS; SSL_CERT_FILE counts, too."""
    trusting = ssl.create_default_context()
    trusting.load_verify_locations(certifi.where())
    return trusting
