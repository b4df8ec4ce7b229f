# Everything a newcomer types. The logic is in config/setup/ and manage.py.
.PHONY: run test test-all bench lint fmt schema stop setup dev lock
PY = .venv/bin/python

run: setup ## set up, migrate, make the demo, serve (PORT, PLUMBLINE_HOME, PLUMBLINE_DEMO=0)
	@exec $(PY) manage.py up --prepare

stop: ## stop what `make run` started, from anywhere
	@$(PY) manage.py stop

test: dev ## everything that CI runs
	@config/setup/checks
	@$(PY) -m pytest -n $${PYTEST_WORKERS:-2} --dist loadfile -m "not e2e and not chaos and not agents and not long"

test-all: test ## and what needs a browser, real agents and a running product to kill, or takes long
	@config/setup/tools
	@PATH="$(CURDIR)/.cache/tools/usr/bin:$$PATH" $(PY) -m pytest -m "e2e or chaos or agents or long"

bench: dev ## the figures of docs/benchmarks.md, measured here and now
	@$(PY) -m tests.bench

lint: dev ## style, types, arrows between apps, templates
	@config/setup/checks lint

fmt: dev ## put code and templates into shape
	@$(PY) -m ruff check --fix --quiet . ; $(PY) -m ruff format .

schema: dev ## write the committed OpenAPI document anew
	@$(PY) manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml

setup:
	@config/setup/environment run

dev:
	@config/setup/environment dev

lock: dev ## write requirements*.lock anew from pyproject.toml
	@config/setup/lock
