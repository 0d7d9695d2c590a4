"""The target's certificate: who it is made out to, and for how many days it and the CA are still valid."""

from __future__ import annotations

import socket
import ssl
import struct
from datetime import UTC, datetime
from typing import Any

from mirror.errors import TargetRefused, TargetUnreachable
from mirror.settings import Settings

WARN_DAYS = 14
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # https://www.postgresql.org/docs/17/protocol-message-formats.html
_SECONDS = 10


def certificate(settings: Settings, now: datetime) -> str:
    """One line. Raises TargetRefused for a certificate that is out of date soon, or that the CA did not sign."""
    if not settings.supabase_db_sslmode.startswith("verify"):
        return f"not checked (SUPABASE_DB_SSLMODE={settings.supabase_db_sslmode})"
    context = ssl.create_default_context(cafile=str(settings.supabase_db_sslrootcert))
    context.check_hostname = settings.supabase_db_sslmode == "verify-full"
    # Private CAs of some years ago lack what OpenSSL's strict mode asks for; libpq does not ask for it either.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    try:
        leaf = _leaf(context, settings)
    except ssl.SSLCertVerificationError as error:
        raise TargetRefused(
            f"the certificate does not fit: {error.verify_message}",
            "download the CA (Supabase: Settings, Database, SSL configuration) and set SUPABASE_DB_SSLROOTCERT to it",
        ) from error
    except OSError as error:
        raise TargetUnreachable("no TLS connection came about to look at the certificate", "try again") from error
    left = {"the certificate": _days(leaf, now), "the CA": max(_days(ca, now) for ca in context.get_ca_certs())}
    told = ", ".join(f"{name} is valid for {days} more days" for name, days in left.items())
    if min(left.values()) < WARN_DAYS:
        raise TargetRefused(told, "renew it before it ends: after that no connection is made any more")
    return told


def _leaf(context: ssl.SSLContext, settings: Settings) -> dict[str, Any]:
    with socket.create_connection((settings.supabase_db_host, settings.supabase_db_port), _SECONDS) as plain:
        plain.sendall(_SSL_REQUEST)
        if plain.recv(1) != b"S":
            raise OSError("no TLS")
        with context.wrap_socket(plain, server_hostname=settings.supabase_db_host) as encrypted:
            return dict(encrypted.getpeercert() or {})


def _days(certificate: Any, now: datetime) -> int:
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    return (ends - now).days
