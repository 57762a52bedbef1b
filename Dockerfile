# The production image: web, worker, beat, clock and migrate are the same image with different commands.

FROM python:3.11.13-slim-bookworm AS build

# One program that reads uv.lock; it stays behind in this stage.
RUN pip install --no-cache-dir uv==0.13.8

ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never

WORKDIR /srv/steward

# Before the code, so that a change of code does not install everything again.
# No extra is named: PostgreSQL and Redis as wheels are for a first run and for tests, never for this image.
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-dev

COPY . .

# Collecting needs settings, not secrets: these live for one command and reach no layer's environment.
RUN STEWARD_SECRET_KEY=only-for-collecting-static-files-here \
    STEWARD_FIELD_KEYS=b25seS1mb3ItY29sbGVjdGluZy1zdGF0aWMtZmlsZXM= \
    STEWARD_HASH_KEY=only-for-collecting-static-files-here \
    STEWARD_PUBLIC_URL=http://localhost \
    DATABASE_URL=postgres:///nobody-connects \
    .venv/bin/python manage.py collectstatic --noinput


FROM python:3.11.13-slim-bookworm

# A number, so that Kubernetes can see that it is not root.
RUN groupadd --gid 10001 steward \
    && useradd --uid 10001 --gid steward --no-create-home --shell /usr/sbin/nologin steward

WORKDIR /srv/steward

# Owned by root: the process that serves the code cannot change it.
COPY --from=build /srv/steward /srv/steward

ENV PATH=/srv/steward/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=config.settings

USER 10001:10001

EXPOSE 8000

# Alive, not ready: a database outage must not restart every web process.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]

# --preload: a wrong setting stops the start at once instead of starting workers over and over.
# --keep-alive: longer than a proxy keeps an idle connection, so that no payment is sent into one that is being closed.
# --graceful-timeout: longer than STEWARD_REQUEST_BUDGET_SECONDS, so that a deployment cuts nobody off.
CMD ["gunicorn", "config.wsgi:application", "--preload", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", \
     "--workers", "2", "--threads", "8", "--timeout", "60", "--graceful-timeout", "30", "--worker-tmp-dir", "/dev/shm", \
     "--keep-alive", "75", "--no-control-socket", "--limit-request-line", "8190", "--access-logfile", "/dev/null"]
