#!/bin/sh
# Starts PostgreSQL as the official image does: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB, POSTGRES_HOST_AUTH_METHOD,
# POSTGRES_INITDB_ARGS, PGDATA and the scripts of /docker-entrypoint-initdb.d.
set -eu
[ "${1#-}" = "$1" ] || set -- postgres "$@"
[ "$1" = postgres ] || exec "$@"
user=${POSTGRES_USER:-postgres}
db=${POSTGRES_DB:-$user}
run="setpriv --reuid postgres --regid postgres --init-groups env HOME=/var/lib/postgresql"

mkdir -p "$PGDATA" /var/run/postgresql
chown postgres:postgres "$PGDATA" /var/run/postgresql
chmod 700 "$PGDATA"

initialise() {
  if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
    echo "Error: Database is uninitialized and superuser password is not specified. Set POSTGRES_PASSWORD, or" \
      "POSTGRES_HOST_AUTH_METHOD=trust." >&2
    exit 1
  fi
  passwords=$(mktemp)
  printf '%s\n' "${POSTGRES_PASSWORD:-none}" >"$passwords"
  chown postgres "$passwords"
  # shellcheck disable=SC2086 # arguments
  $run initdb --no-sync -D "$PGDATA" --username="$user" --pwfile="$passwords" --auth-local=trust ${POSTGRES_INITDB_ARGS:-}
  rm -f "$passwords"
  echo "host all all all ${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
  # Without a port until it is complete: who can connect finds the tables.
  $run pg_ctl -D "$PGDATA" -w -o "-c listen_addresses=''" start
  ask="$run psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc --username $user"
  if [ "$db" != postgres ]; then
    $ask --dbname postgres --set db="$db" <<'SQL'
CREATE DATABASE :"db";
SQL
  fi
  for f in /docker-entrypoint-initdb.d/*; do
    case $f in
      *.sh) if [ -x "$f" ]; then "$f"; else . "$f"; fi ;;
      *.sql) $ask --dbname "$db" <"$f" ;;
      *.sql.gz) gunzip -c "$f" | $ask --dbname "$db" ;;
    esac
  done
  $run pg_ctl -D "$PGDATA" -m fast -w stop
  echo "PostgreSQL init process complete; ready for start up."
}

[ -s "$PGDATA/PG_VERSION" ] || initialise
shift
# SIGTERM would wait for every client to leave. The official image's stop signal is SIGINT, which ends their sessions.
$run postgres -D "$PGDATA" -c listen_addresses='*' "$@" &
server=$!
trap 'kill -INT "$server"' TERM INT
while :; do
  status=0
  wait "$server" || status=$?
  kill -0 "$server" 2>/dev/null || exit "$status" # a signal interrupts wait too
done
