# The commands of the project; each works in a fresh clone with Python >= 3.11 and nothing else started.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready

# Bytecode is kept, whatever the surroundings say: Temporal's sandbox loads a story's modules anew for each
# workflow, and compiling them every time costs more than most stories do.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup demo up test chaos bad-hours outage bench lint lock clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: setup
	$(BIN)/python -m sandbox demo $(DEMO_ARGS)

up: setup
	$(BIN)/python -m sandbox up --data-dir .sandbox --info .sandbox/info.json $(UP_ARGS)

# Three at a time, of which one mostly waits: PYTEST_ARGS="-n 0" for one after the other.
test: setup lint
	$(BIN)/python -m pytest -n 3 --no-loadscope-reorder $(PYTEST_ARGS)

# Random kills and faults: make chaos N=1000, or one seed again: make chaos N=1 SEED=7.
chaos: setup
	$(BIN)/python -m tests.crash.chaos --number $(or $(N),200) $(if $(SEED),--seed $(SEED))

# Faults of every kind over a running load: make bad-hours MINUTES=10 SEED=7.
bad-hours: setup
	$(BIN)/python -m tests.hours --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

# PostgreSQL is away so long under two hundred open stories: make outage MINUTES=10.
outage: setup
	$(BIN)/python -m tests.crash.outage --minutes $(or $(MINUTES),10)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/hadolint Dockerfile

bench: setup
	$(BIN)/python -m bench $(BENCH_ARGS)

# Pins everything anew; needs uv (pip install uv), which nothing else does.
lock:
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--extra dev pyproject.toml -o requirements.lock

clean:
	rm -rf .sandbox .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
