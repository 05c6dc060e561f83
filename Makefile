# Weir on this machine. Needs Python 3.11 or newer, make and a network to PyPI; everything else is installed into .venv.

PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
# What the checks need to load the settings; nothing is started with it.
CHECK := env SECRET_KEY=only-for-checks-gK3vQx8ZtB5mWn2YhR7cLp4DsFj9AeUuXw6Ke \
	BROKER_URL=redis://:only-for-checks@127.0.0.1/0 DATA_DIR=var/checks ALLOWED_HOSTS=localhost
COMPILE := ../var/lock-tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header $(UPGRADE)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo up test measure console overload fan-out schedules bench setup setup-development demo-data python lint types \
	contracts checks suites test-sqlite test-postgresql test-brokers chaos mutants pictures lock clean

help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

demo: setup demo-data ## Start everything, run real jobs on real data, check the results, stop everything
	@exec $(VENV_PYTHON) -m jobs_app.platform demo --follow-parent

up: setup ## Keep the whole platform running on this machine until Ctrl-C
	@exec $(VENV_PYTHON) -m jobs_app.platform up --follow-parent

test: lint types contracts checks suites ## Check everything, on both databases and all brokers

setup: python ## Build .venv with what Weir runs on
	@exec $(PYTHON) requirements/install.py runtime

setup-development: python ## Build .venv with what checking Weir takes as well
	@exec $(PYTHON) requirements/install.py development

demo-data: setup ## Fetch the data of the demo into var/demo-data
	@exec $(PYTHON) requirements/install.py demo

lint: setup-development ## Check style and formatting
	@$(VENV_PYTHON) -m ruff check .
	@$(VENV_PYTHON) -m ruff format --check .

types: setup-development ## Check the types
	@$(CHECK) $(VENV_PYTHON) -m mypy .

contracts: setup-development ## Check who imports whom
	@$(CHECK) $(VENV_PYTHON) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

checks: setup-development ## Check migrations and the settings for production
	@$(CHECK) $(VENV_PYTHON) manage.py makemigrations --check --dry-run
	@$(CHECK) $(VENV_PYTHON) manage.py check --deploy --fail-level WARNING

suites: setup-development demo-data ## Run all tests, several suites at once; ARGUMENTS="--at-once 1 sqlite" chooses
	@exec $(VENV_PYTHON) -m tests.suites $(ARGUMENTS)

test-sqlite: setup-development demo-data ## Run the tests on SQLite and Valkey
	@exec env -u DATABASE_URL WEIR_TEST_DATABASE=sqlite $(VENV_PYTHON) -m pytest $(ARGUMENTS)

test-postgresql: setup-development demo-data ## Run what meets the database on PostgreSQL: DATABASE_URL's, or one of its own
	@exec env WEIR_TEST_DATABASE=postgresql $(VENV_PYTHON) -m pytest -m "not once" $(ARGUMENTS)

measure: setup-development ## Measure rescue, flush, broker away, rolling restart: half an hour; ARGUMENTS="--scale 0.1" is quick
	@exec $(VENV_PYTHON) -m benchmarks $(ARGUMENTS)

overload: setup-development ## Offer more than can be done: 15 minutes; ARGUMENTS="--scale 0.2" is quick
	@exec $(VENV_PYTHON) -m benchmarks.overload $(ARGUMENTS)

fan-out: setup-development ## Post to 50,000 followers while workers are killed: two minutes; ARGUMENTS="--scale 0.1" is quick
	@exec $(VENV_PYTHON) -m benchmarks.timeline $(ARGUMENTS)

schedules: setup-development ## Schedules of every second while beats and workers are killed: ten minutes; ARGUMENTS="--scale 0.1" is quick
	@exec $(VENV_PYTHON) -m benchmarks.schedules $(ARGUMENTS)

console: setup-development ## Measure every page and search on PostgreSQL with 1,000,000 jobs: ten minutes; ARGUMENTS="--jobs 20000" is quick
	@exec $(VENV_PYTHON) -m benchmarks.console --database postgresql $(ARGUMENTS)

bench: setup-development ## Weir beside Celery and others, each in an environment of its own: an hour; ARGUMENTS="--scale 0.1 --rounds 1" is quick
	@exec $(VENV_PYTHON) -m benchmarks.peers $(ARGUMENTS)

test-brokers: setup-development ## Run what meets a broker on RabbitMQ (SQLite) and on a local Amazon SQS (PostgreSQL)
	@env -u DATABASE_URL WEIR_TEST_BROKER=rabbitmq WEIR_TEST_DATABASE=sqlite $(VENV_PYTHON) -m pytest \
		-m brokers $(ARGUMENTS)
	@exec env WEIR_TEST_BROKER=sqs WEIR_TEST_DATABASE=postgresql $(VENV_PYTHON) -m pytest -m brokers $(ARGUMENTS)

chaos: setup-development ## Break everything at random under load and count (minutes); ARGUMENTS="--seed 7 --broker all"
	@exec $(VENV_PYTHON) -m tests.chaos $(ARGUMENTS)

mutants: setup-development ## Take one guard at a time out of a copy of the code and see that tests notice
	@exec $(VENV_PYTHON) -m tests.mutants $(ARGUMENTS)

pictures: setup-development demo-data ## Take pictures of every page, light, dark and on a phone, into docs/images/console
	@exec $(VENV_PYTHON) -m tests.pictures $(ARGUMENTS)

lock: python ## Pin the requirements; make lock UPGRADE=--upgrade takes the newest versions
	@test -x var/lock-tools/bin/uv || \
		{ $(PYTHON) -m venv var/lock-tools && var/lock-tools/bin/python -m pip install --quiet uv; }
	@cd requirements && $(COMPILE) runtime.in -o ../requirements.txt
	@cd requirements && $(COMPILE) -c ../requirements.txt development.in -o development.txt
	@cd requirements && $(COMPILE) --no-deps demo.in -o demo.txt

clean: ## Remove .venv, caches and the demo's data; var/up and its jobs are kept
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis \
		var/demo var/demo-data var/demo-data.new var/checks var/lock-tools var/peers

python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "expected Python 3.11 or newer as '$(PYTHON)', found none. Debian, Ubuntu: apt install python3 python3-venv" >&2; \
		exit 1; }
