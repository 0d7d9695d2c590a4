"""What a server, a pooler or libpq says when it lets nobody in, and what that means to a person."""

from __future__ import annotations

from mirror.errors import TargetError, TargetLogin, TargetRefused, TargetUnreachable

# What a person meets at Supabase (and at any Postgres), by words that the server or libpq uses; first match wins.
BY_WORDS: tuple[tuple[tuple[str, ...], type[TargetError], str, str], ...] = (
    (
        (
            "password authentication failed",
            "no password supplied",
            "SASL authentication failed",
            "credentials are invalid",
        ),
        TargetLogin,
        "the password for {user} at {host} is wrong",
        "set SUPABASE_DB_PASSWORD (Supabase: Settings, Database, Reset database password) and start again; it is "
        "not tried again by itself, because two wrong passwords ban this address for 30 minutes",
    ),
    (
        # Supavisor's brake on guessing: each further try makes it last longer.
        ("ECIRCUITBREAKER", "too many authentication failures"),
        TargetLogin,
        "the pooler at {host} lets {user} in no more for now, after too many wrong passwords",
        "set SUPABASE_DB_PASSWORD (Supabase: Settings, Database, Reset database password), wait some minutes, and start "
        "again; it is not tried again by itself",
    ),
    (
        ("EAUTHQUERY",),
        TargetUnreachable,
        "the pooler at {host} could not ask its database about {user}",
        "it is tried again; if it stays so: does the project run? See its state in Supabase's dashboard",
    ),
    (
        # Not for good: a project that is paused is not known to the pooler either, until somebody restores it.
        ("Tenant or user not found", "tenant/user"),
        TargetRefused,
        "the pooler at {host} does not know the user {user}",
        "if it worked before, the project may be paused: restore it in Supabase's dashboard. Otherwise copy host and user "
        "from Connect, Session pooler: the user ends in .<project ref>, and the host names your region; it is not the "
        "password",
    ),
    (
        ("no such user",),
        TargetLogin,
        "there is no user {user} at {host}",
        "check SUPABASE_DB_USER (Supabase: postgres.<project ref>)",
    ),
    (
        ("certificate verify failed", "root certificate file", "certificate is not trusted", "unknown ca"),
        TargetRefused,
        "the certificate of {host} is not signed by the CA in {ca}",
        "download the CA (Supabase: Settings, Database, SSL configuration) and set SUPABASE_DB_SSLROOTCERT to it",
    ),
    (
        ("does not match host name",),
        TargetRefused,
        "the certificate that {host} shows is made out to another name",
        "give SUPABASE_DB_HOST as Supabase shows it, not an address or an alias",
    ),
    (
        ("server does not support SSL", "no encryption", "SSL required", "no pg_hba.conf entry"),
        TargetRefused,
        "{host} does not accept {user} in the way that was tried (SUPABASE_DB_SSLMODE={sslmode})",
        "set SUPABASE_DB_SSLMODE=verify-full; check host, user and database name",
    ),
    (
        ("role", "does not exist"),
        TargetLogin,
        "there is no user {user} at {host}",
        "check SUPABASE_DB_USER",
    ),
    (
        ("database", "does not exist"),
        TargetRefused,
        "there is no database {database} at {host}",
        "check SUPABASE_DB_NAME; it is postgres at Supabase",
    ),
    (
        (
            "could not translate host name",
            "Name or service not known",
            "Temporary failure in name resolution",
        ),
        TargetUnreachable,
        "the name {host} cannot be resolved",
        "check SUPABASE_DB_HOST and this machine's network",
    ),
    (
        ("Network is unreachable", "No route to host", "Cannot assign requested address"),
        TargetUnreachable,
        "there is no way from here to {host}",
        "Supabase's direct host has IPv6 only: use the Session pooler's host and user from Connect",
    ),
    (
        ("Connection refused",),
        TargetUnreachable,
        "{host}:{port} refuses the connection",
        "is the server running? After wrong passwords Supabase bans an address: see Settings, Database, Banned IPs",
    ),
    (
        (
            "MaxClientsInSessionMode",
            "EMAXCONN",
            "max clients reached",
            "no more connections allowed",
            "query_wait_timeout",
            "ECHECKOUTTIMEOUT",
            "remaining connection slots",
            "too many",
        ),
        TargetUnreachable,
        "{host} has no free connection",
        "it is tried again with growing pauses; see who holds them with: select * from pg_stat_activity",
    ),
    (
        ("terminating connection due to administrator command",),
        TargetUnreachable,
        "{host}:{port} ended the connection: somebody there did it, or the server is restarted",
        "it is tried again; nothing of an unfinished run is kept",
    ),
    (
        ("timeout expired", "timed out"),
        TargetUnreachable,
        "{host}:{port} does not answer",
        "check the network, and whether the Supabase project is paused",
    ),
)


def says(raw: str, words: tuple[str, ...]) -> bool:
    """Whether the message has one of the words; of a name that does not exist, what kind of name."""
    if words[-1] == "does not exist":
        return f'{words[0]} "' in raw and words[-1] in raw
    return any(word in raw for word in words)
