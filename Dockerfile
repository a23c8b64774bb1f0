# One image for every process: `python -m api`, `python -m worker`, `python -m db upgrade`,
# `python -m worker.provision` and, for trying it out, `python -m sandbox.stripe`.
FROM python:3.11.14-slim-bookworm AS libraries
COPY requirements-runtime.lock /
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes \
        -r /requirements-runtime.lock

FROM python:3.11.14-slim-bookworm
RUN groupadd --system --gid 10001 plixo \
    && useradd --system --uid 10001 --gid plixo --no-create-home --home-dir /app plixo \
    && install -d -o plixo -g plixo /data
COPY --from=libraries /venv /venv
COPY . /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
# The processes may not write here: compiled now, or at every start.
RUN python -m compileall -q .
USER 10001:10001
VOLUME /data
CMD ["python", "-m", "api"]
