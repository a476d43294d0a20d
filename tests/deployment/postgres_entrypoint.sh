#!/usr/bin/env bash
# Does what the entrypoint of the Postgres image does: makes the databases the first time, and runs
# the server. Its arguments are scripts for the first time, which lie elsewhere in the image.
set -euo pipefail
export PGHOST=/tmp
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s' "$POSTGRES_PASSWORD") \
        --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --no-sync
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    pg_ctl -w -o "-c listen_addresses= -k $PGHOST" start
    createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
    for script in "$@"; do
        psql --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" --set=ON_ERROR_STOP=1 \
            --file="$script"
    done
    pg_ctl -w -m fast stop
fi
exec postgres -c listen_addresses='*' -k "$PGHOST"
