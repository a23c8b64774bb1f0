#!/usr/bin/env bash
# Runs a guide's commands from top to bottom, and stops at the first that fails: docs/guides/run.sh docs/guides/refunds.md
set -euo pipefail
guide=$(realpath "$1")
cd "$(dirname "$0")/../.."
eval "$(awk '/^```bash$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$guide")"
