#!/bin/sh
# Makes Temporal's databases in PostgreSQL, or brings them up to this version. Running it again changes nothing.
set -eu
SQL_PASSWORD="$(cat /run/secrets/postgres_password)"
export SQL_PASSWORD
for database in temporal temporal_visibility; do
  case "$database" in
    temporal) schema=temporal ;;
    *) schema=visibility ;;
  esac
  tool="temporal-sql-tool --plugin postgres12 --ep postgres --port 5432 --user perdure --db $database"
  echo "temporal-schema: $database"
  $tool create
  # The table of versions is made once: setting it up again is refused, which is all right.
  $tool setup-schema -v 0.0 || echo "temporal-schema: $database was set up before"
  $tool update-schema -d "/etc/temporal/schema/postgresql/v12/$schema/versioned"
done
