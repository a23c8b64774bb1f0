#!/bin/sh
# Brings Temporal's two databases to the schema of its server; run at every start, changes nothing twice.
set -eu
for store in temporal visibility; do
    database=temporal
    [ "$store" = visibility ] && database=temporal_visibility
    temporal-sql-tool --database "$database" setup-schema --version 0.0
    temporal-sql-tool --database "$database" update-schema --schema-name "postgresql/v12/$store"
done
