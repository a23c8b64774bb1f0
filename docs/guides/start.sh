# The shell that the guides are written for. Source it in the project's root: . docs/guides/start.sh

plixo_shell=$(.venv/bin/python -m sandbox shell) || return 1
eval "$plixo_shell"   # $API, $STRIPE, $MAIL, the keys ($BILLING_ADMIN …) and the example ($CUSTOMER …)

RUN=$(date +%s)-$RANDOM   # makes the Idempotency-Keys of this run its own

# The value at a dotted path of the JSON on standard input: … | field data.0.id
field() {
  python3 -c '
import json, sys
text = sys.stdin.read()
try:
    value = json.loads(text)
    for key in sys.argv[1].split("."):
        value = value[int(key) if key.isdigit() else key]
except (ValueError, LookupError, TypeError):
    sys.exit(f"There is no {sys.argv[1]} in: {text}")
print(value)' "$1"
}

# Where an operation stands: its state, or with a second argument its stage.
state() {
  curl -sS --fail-with-body "$API/v1/operations/$1" -H "Authorization: Bearer $AUDITOR" | field "${2:-state}"
}

# Waits until an operation is in a state, and at a stage if one is given. Stops with a message when it ends in another
# state, or after two minutes.
wait_for() {
  local operation=$1 wanted=$2 stage=${3:-} deadline=$((SECONDS + 120)) now
  while now=$(state "$operation") || return 1
    [ "$now" != "$wanted" ] || { [ -n "$stage" ] && [ "$(state "$operation" stage)" != "$stage" ]; }; do
    case $now in
      completed | rejected | cancelled | expired | blocked | declined | failed | mismatched)
        echo "Operation $operation is $now, not $wanted:" >&2
        curl -sS "$API/v1/operations/$operation" -H "Authorization: Bearer $AUDITOR" | field error >&2
        return 1 ;;
    esac
    if [ "$SECONDS" -ge "$deadline" ]; then
      echo "Operation $operation is still $now, not $wanted." >&2
      return 1
    fi
    sleep 0.2
  done
}
