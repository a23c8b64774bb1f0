#!/bin/sh
# Runs once, when the PostgreSQL volume is new: the owner of Plixo's tables, which only the migrations use, and
# the role of the API and the worker, which can't rewrite history (`python -m db upgrade --app-role plixo`).
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set database="$POSTGRES_DB" --set owner="$PLIXO_DB_OWNER_PASSWORD" --set app="$PLIXO_DB_PASSWORD" <<'SQL'
CREATE ROLE plixo_owner LOGIN PASSWORD :'owner';
CREATE ROLE plixo LOGIN PASSWORD :'app';
ALTER DATABASE :"database" OWNER TO plixo_owner;
ALTER SCHEMA public OWNER TO plixo_owner;
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO plixo;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
SQL
