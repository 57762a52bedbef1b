"""Every setting of the project, read from the environment once. Nothing here opens a file or a connection."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlunsplit

from accounts.factor_policy import FactorPolicy
from api.words import API_IN_WORDS, TAGS
from config import environment as read
from config.celery import beat_table, broker_transport_options, celery_broker_url
from config.console import FOR_UNFOLD
from config.content_policy import STRICT
from config.environment import Environment, LogFormat, Secrecy

BASE_DIR = Path(__file__).resolve().parent.parent

environment = Environment(os.environ)

# --- What the environment says ----------------------------------------------------------------------------------

SECRET_KEY: str = environment.read(
    "STEWARD_SECRET_KEY", read.key, expected="at least 32 random characters", secrecy=Secrecy.SECRET
)
STEWARD_FIELD_KEYS: tuple[str, ...] = environment.read(
    "STEWARD_FIELD_KEYS",
    read.fernet_keys,
    expected="one or more Fernet keys (44 characters each, url-safe base64), comma-separated, the first encrypts",
    secrecy=Secrecy.SECRET,
)
STEWARD_HASH_KEY: str = environment.read(
    "STEWARD_HASH_KEY", read.key, expected="at least 32 random characters", secrecy=Secrecy.SECRET
)
DEBUG: bool = environment.read("STEWARD_DEBUG", read.switch, expected="true or false", default=False)
_public_url = environment.read(
    "STEWARD_PUBLIC_URL",
    read.base_url,
    expected="the http or https address that guests use, such as https://pay.example.com",
)
_allowed_hosts: tuple[str, ...] = environment.read(
    "STEWARD_ALLOWED_HOSTS", read.comma_separated, expected="host names, comma-separated", default=()
)
STEWARD_WAITING_URL: str = environment.read(
    "STEWARD_WAITING_URL",
    read.base_address,
    expected="an http or https address, such as https://wait.example.com",
    default="",
)
STEWARD_PROXIES: int = environment.read(
    "STEWARD_PROXIES", read.whole_number, expected="how many proxies of yours stand in front, 0 or more", default=0
)
STEWARD_REQUESTS_PER_MINUTE: int = environment.read(
    "STEWARD_REQUESTS_PER_MINUTE",
    read.positive_whole_number,
    expected="whole number above 0, at most 999999",
    default=1200,
)
STEWARD_REFUNDS_PER_HOUR: int = environment.read(
    "STEWARD_REFUNDS_PER_HOUR",
    read.positive_whole_number,
    expected="whole number above 0, at most 999999",
    default=200,
)
STEWARD_SECOND_FACTOR: FactorPolicy = environment.read(
    "STEWARD_SECOND_FACTOR", FactorPolicy, expected="offered or required", default=FactorPolicy.OFFERED
)
STEWARD_SESSION_IDLE_MINUTES: int = environment.read(
    "STEWARD_SESSION_IDLE_MINUTES",
    read.positive_whole_number,
    expected="whole minutes above 0, at most 999999",
    default=30,
)
STEWARD_SESSION_HOURS: int = environment.read(
    "STEWARD_SESSION_HOURS", read.positive_whole_number, expected="whole hours above 0, at most 999999", default=12
)
CORS_ALLOWED_ORIGINS: tuple[str, ...] = environment.read(
    "STEWARD_CORS_ORIGINS",
    read.origins,
    expected="origins of pages that call the API, such as https://app.example.com, comma-separated",
    default=(),
)
_database: dict[str, Any] | None = environment.read(
    "DATABASE_URL",
    read.database,
    expected="postgres://user:password@host:5432/name (PostgreSQL is the one database)",
    secrecy=Secrecy.SECRET_URL,
)
REDIS_URL: str = environment.read(
    "REDIS_URL",
    read.redis_url,
    expected="redis://, rediss:// or unix://, or none",
    default="",
    secrecy=Secrecy.SECRET_URL,
)
STEWARD_BROKER_URL: str = environment.read(
    "STEWARD_BROKER_URL",
    read.broker_url,
    expected="redis://, rediss://, unix://, amqp:// or amqps://",
    default=REDIS_URL,
    secrecy=Secrecy.SECRET_URL,
)
STEWARD_PROVIDER_DEADLINE_SECONDS: int = environment.read(
    "STEWARD_PROVIDER_DEADLINE_SECONDS",
    read.positive_whole_number,
    expected="whole seconds above 0, at most 999999",
    default=10,
)
STEWARD_REQUEST_BUDGET_SECONDS: int = environment.read(
    "STEWARD_REQUEST_BUDGET_SECONDS",
    read.positive_whole_number,
    expected="whole seconds above 0, at most 999999",
    default=12,
)
STEWARD_LEASE_SECONDS: int = environment.read(
    "STEWARD_LEASE_SECONDS", read.positive_whole_number, expected="whole seconds above 0, at most 999999", default=30
)
STEWARD_PROVIDER_CONCURRENCY: int = environment.read(
    "STEWARD_PROVIDER_CONCURRENCY",
    read.positive_whole_number,
    expected="whole number above 0, at most 999999",
    default=16,
)
STEWARD_SWEEP_SECONDS: int = environment.read(
    "STEWARD_SWEEP_SECONDS", read.positive_whole_number, expected="whole seconds above 0, at most 999999", default=3
)
TIME_ZONE: str = environment.read(
    "STEWARD_TIME_ZONE", read.time_zone, expected="an IANA time zone, such as Asia/Kolkata", default="UTC"
)
STEWARD_LOG_FORMAT: LogFormat = environment.read(
    "STEWARD_LOG_FORMAT",
    LogFormat,
    expected="json or pretty",
    default=LogFormat.PRETTY if sys.stderr.isatty() else LogFormat.JSON,
)
# Tests arm these; `kernel.crashpoints` reads them by itself, before any setting exists.
environment.knows_for_tests("STEWARD_CRASH_AT", "STEWARD_CRASH_FILE", "STEWARD_PROOF_RECORDS", "STEWARD_REQUIRE_ALL")

read.check_time_budgets(
    environment,
    deadline_seconds=STEWARD_PROVIDER_DEADLINE_SECONDS,
    budget_seconds=STEWARD_REQUEST_BUDGET_SECONDS,
    lease_seconds=STEWARD_LEASE_SECONDS,
)
environment.finish()

# --- Applications -----------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",  # Before the admin, which is its site.
    "django.contrib.admin",
    "accounts",  # Before Django's, two of whose commands it writes into the audit.
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "corsheaders",
    "pgtrigger",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "kernel",  # For the console's pictures and styles; it has no tables.
    "api",
    "events",
    "orders",
    "payments",
    "failures",
]
AUTH_USER_MODEL = "accounts.User"
LOGIN_REDIRECT_URL = "admin:index"  # For whoever opened the sign-in itself, and came from no page.
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"

MIDDLEWARE = [
    # First, so that whatever refuses the request is still found by its id.
    "config.middleware.RequestIdMiddleware",
    "config.content_policy.ContentPolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    # Whoever gave only the password is nobody to all that comes after it.
    "accounts.console_gate.ConsoleGateMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # Last, so that it sees who was refused for good.
    "axes.middleware.AxesMiddleware",
]
AUTHENTICATION_BACKENDS = [
    # First: whoever typed too many wrong passwords is not asked for another one.
    "axes.backends.AxesStandaloneBackend",
    "accounts.backends.PersonBackend",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Data -------------------------------------------------------------------------------------------------------

# Each process keeps at most this many connections. No thread holds one while it talks to a provider,
# so eight serve many more threads than eight.
_POOL = {"min_size": 1, "max_size": 8, "timeout": 5.0}
DATABASES = {"default": read.with_pool(_database or {}, pool=_POOL, lease_seconds=STEWARD_LEASE_SECONDS)}

# Without Redis each process keeps its own cache: everything works, limits are merely counted per process.
# A cache that does not answer at once is not a cache: callers go on without it.
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "steward",
        "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5},
    }
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "steward"},
}

# Triggers change with the code that needs them: they are part of the migrations, never installed on the side.
PGTRIGGER_MIGRATIONS = True
PGTRIGGER_INSTALL_ON_MIGRATE = False

# --- Web --------------------------------------------------------------------------------------------------------

STEWARD_PUBLIC_URL = urlunsplit(_public_url)
_SERVED_OVER_TLS = _public_url.scheme == "https"
# A health check inside the container or the pod asks by these two names.
ALLOWED_HOSTS = [*(_allowed_hosts or (_public_url.hostname,)), "localhost", "127.0.0.1"]
CSRF_TRUSTED_ORIGINS = [f"{_public_url.scheme}://{_public_url.netloc}"]
APPEND_SLASH = False

# The first run is plain HTTP on one machine: cookies marked as secure would never come back there.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _SERVED_OVER_TLS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# A shift: whoever may refund money signs in once a day. `accounts.console_session` counts from the sign-in.
SESSION_COOKIE_AGE = STEWARD_SESSION_HOURS * 60 * 60
CSRF_FAILURE_VIEW = "config.console_errors.csrf_failure"
X_FRAME_OPTIONS = "DENY"
UNFOLD = FOR_UNFOLD
# The console and the API's two descriptions need more: `config.content_policy` says where and why.
CONTENT_SECURITY_POLICY = {"DIRECTIVES": STRICT}
SECURE_REFERRER_POLICY = "same-origin"
# TLS ends at a proxy in front of us, which says so in this header; without TLS nobody may claim it.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _SERVED_OVER_TLS else None
SECURE_SSL_REDIRECT = _SERVED_OVER_TLS and not DEBUG
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]  # Asked from inside, without the proxy.
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if SECURE_SSL_REDIRECT else 0
# The largest honest body is a bulk of order lines; a provider's notice is a few kilobytes.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
# Pages have their styles before anybody ran `collectstatic`; afterwards the compressed copies win.
WHITENOISE_USE_FINDERS = True

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# Wrong passwords are counted in the database: an outage of Redis locks nobody out and lets nobody guess. By name and
# address together, so that nobody locks out a colleague from elsewhere.
AXES_FAILURE_LIMIT = 6
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_CLIENT_IP_CALLABLE = "api.addresses.address_of"
AXES_LOCKOUT_CALLABLE = "accounts.lockout.locked_out"
AXES_VERBOSE = False  # Names and addresses belong in no log line.

LANGUAGE_CODE = "en"
USE_I18N = True
USE_TZ = True

# --- API --------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.CallerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.MayCall"],
    "DEFAULT_PARSER_CLASSES": ["api.parsing.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "api.negotiation.JSONForWhoeverTakesIt",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "api.tidying.Schema",
    "EXCEPTION_HANDLER": "api.refusing.handle",
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Steward",
    "DESCRIPTION": API_IN_WORDS,
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": False,
    # What a PATCH needs it needs: nothing of ours is optional only because of its method.
    "COMPONENT_SPLIT_PATCH": False,
    "POSTPROCESSING_HOOKS": ["api.tidying.tidied"],
    "SORT_OPERATIONS": False,
    "SORT_OPERATION_PARAMETERS": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "TAGS": TAGS,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVERS": [{"url": "/"}],
}
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_HEADERS = [
    *("accept", "accept-language", "authorization", "content-type", "idempotency-key", "if-none-match"),
    *("last-event-id", "prefer", "steward-mode", "steward-restaurant", "x-csrftoken", "x-request-id"),
]
CORS_EXPOSE_HEADERS = [
    *("etag", "idempotent-replayed", "link", "location", "ratelimit", "ratelimit-policy", "retry-after"),
    *("preference-applied", "x-request-id"),
]
CORS_PREFLIGHT_MAX_AGE = 600

# --- Logs -------------------------------------------------------------------------------------------------------

LOGGING_CONFIG = "config.logging.configure"
LOGGING: dict[str, Any] = {"format": STEWARD_LOG_FORMAT, "level": "DEBUG" if DEBUG else "INFO"}

# --- Celery: the clock ------------------------------------------------------------------------------------------

# A sweep's own deadline is the lease; three leases are a task that will not end by itself.
CELERY_TASK_SOFT_TIME_LIMIT = 3 * STEWARD_LEASE_SECONDS
CELERY_TASK_TIME_LIMIT = 4 * STEWARD_LEASE_SECONDS
CELERY_BROKER_URL = celery_broker_url(STEWARD_BROKER_URL)
CELERY_BROKER_TRANSPORT_OPTIONS = broker_transport_options(
    CELERY_BROKER_URL, longest_task_seconds=CELERY_TASK_TIME_LIMIT
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_TIMEOUT = 2.0
# A worker that starts before its broker, or outlives it, goes on asking.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# A nudge is a courtesy to the guest who waits; the sweep comes anyway. One more try, then never mind.
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.1,
}
# A message is done when its task is done: a killed worker's message goes to another one.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
# A message that waits in a busy worker's pocket is late for no reason.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# The rows are the result.
CELERY_TASK_IGNORE_RESULT = True
# JSON only: nothing that is read from a broker may become code.
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "steward"
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "config.celery:BeatScheduler"
CELERY_BEAT_SCHEDULE = beat_table(STEWARD_SWEEP_SECONDS)
