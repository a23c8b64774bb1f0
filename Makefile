# The commands of the project; each works in a fresh clone with Python >= 3.11 and nothing else started.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready

# Bytecode is kept, whatever the surroundings say: Temporal's sandbox loads a workflow's modules anew for
# each run, and compiling them every time costs more than most workflows do.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo up check test scenarios adversary strangers chaos bad-hours load outage bench lint lock clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv from requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: setup ## play the main job from end to end on an embedded stack, and tell it
	$(BIN)/python -m sandbox demo $(DEMO_ARGS)

up: setup ## keep the embedded stack running; prints addresses and API keys
	$(BIN)/python -m sandbox up --data-dir .sandbox --info .sandbox/info.json $(UP_ARGS)

# The rules, the records on SQLite, the routes that people use most, and the documents.
FAST := tests/billing tests/db tests/settings tests/docs tests/test_layout.py \
	$(addprefix tests/api/, approvals cases evidence money operations plan_changes)

check: setup lint ## lint, types, import rules and the fast tests, in under two minutes
	$(BIN)/python -m pytest -n 2 -m "not slow and not crash and not postgres" $(PYTEST_ARGS) $(FAST)

# Four at a time on two processors, as those that kill and those of hours mostly wait for time to pass:
# PYTEST_ARGS="-n 0" for one after the other.
test: setup lint ## every check: lint, all tests, on SQLite and PostgreSQL, crash and browser tests
	$(BIN)/python -m pytest -n 4 --no-loadscope-reorder $(PYTEST_ARGS)

# What `make test` draws a few of, the same ones each time.
SCENARIOS := tests/workflows/money/test_machine.py tests/workflows/mirror/test_event_machine.py \
	tests/workflows/approvals/test_authorship_machine.py tests/api/http/test_fuzz.py

scenarios: setup ## draw others and more than the tests do: make scenarios N=200
	PLIXO_TEST_SCENARIOS=$(or $(N),100) $(BIN)/python -m pytest -n 3 $(PYTEST_ARGS) $(SCENARIOS)

adversary: setup ## draw ways to get money past a window of authority, and more than the tests do: make adversary N=10000
	PLIXO_TEST_SCENARIOS=$(or $(N),1000) $(BIN)/python -m pytest $(PYTEST_ARGS) tests/activities/money/test_adversary.py

strangers: setup ## programs of strangers for Stripe against the stand-in: four SDKs for Python, Node, Stripe's CLI
	$(BIN)/python -m tests.strangers $(STRANGERS_ARGS)

chaos: setup ## kill and break at random points: make chaos N=1000, or one seed again: make chaos N=1 SEED=7
	$(BIN)/python -m tests.crash.chaos --number $(or $(N),200) $(if $(SEED),--seed $(SEED))

bad-hours: setup ## faults of every kind over a running load: make bad-hours MINUTES=10 SEED=7
	$(BIN)/python -m tests.hours --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

load: setup ## two APIs, three workers and a PostgreSQL that fails over, under mixed work: make load MINUTES=6 SEED=7
	$(BIN)/python -m tests.load --minutes $(or $(MINUTES),3) $(if $(SEED),--seed $(SEED))

outage: setup ## PostgreSQL is away under two hundred open operations: make outage MINUTES=10
	$(BIN)/python -m tests.crash.outage --minutes $(or $(MINUTES),10)

lint: setup ## lint, format, types, import rules, Compose file and Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/hadolint Dockerfile

bench: setup ## print the benchmark tables: make bench BENCH_ARGS="webhooks"
	$(BIN)/python -m bench $(BENCH_ARGS)

lock: ## pin all packages anew; needs uv (pip install uv), which nothing else does
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--extra dev pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--constraint requirements.lock pyproject.toml -o requirements-runtime.lock

clean: ## remove caches and the embedded stack's data
	rm -rf .sandbox .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
