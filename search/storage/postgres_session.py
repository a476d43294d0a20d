"""How our sessions on a Postgres server are set up: both ends notice when the other has died."""

from collections.abc import Mapping

from sqlalchemy import URL

_LIBPQ = ("psycopg", "psycopg2")
_OUR_END = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""a server that is gone is noticed in seconds, not in the quarter of an hour of TCP"""

SERVER_KEEPALIVES: Mapping[str, str] = {
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
"""the server notices in a minute that our machine has died"""

# Settings that a server is too old to know are left out.
CONFIGURE = "SELECT set_config(name, %(value)s, false) FROM pg_settings WHERE name = %(name)s"


def connect_arguments(url: URL) -> dict[str, int]:
    """Return what the client is told for a connection; what its address says comes first."""
    if url.get_driver_name() not in _LIBPQ:
        return {}
    return {name: value for name, value in _OUR_END.items() if name not in url.query}
