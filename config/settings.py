"""Every setting of Plumbline, read once from the environment. `.env.example` lists each variable with its meaning."""

import os
import sys
from typing import Any, Final

from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from config import logs
from config.environment import (
    BASE_DIR,
    env_bool,
    env_choice,
    env_int,
    env_list,
    env_origin,
    env_origins,
    env_redis,
    env_secret,
    env_str,
    plumbline_home,
)
from config.kernels import cache_folder

PLUMBLINE_HOME: Final = plumbline_home()
VERSION: Final = "0.1.0"

DEBUG = env_bool("DEBUG", default=False)
SECRET_KEY = env_secret("SECRET_KEY", fallback_file=PLUMBLINE_HOME / "secret.key")
# Keyed hashes of tokens use a pepper of their own, so that SECRET_KEY can be rotated without revoking every token.
TOKEN_PEPPER = env_secret("TOKEN_PEPPER", fallback_file=PLUMBLINE_HOME / "pepper.key")
# The supervisor and a container's probe ask by the name localhost, whatever the product is called outside.
ALLOWED_HOSTS = sorted({*env_list("ALLOWED_HOSTS", "127.0.0.1,[::1]"), "localhost"})
HOST = env_str("HOST", "127.0.0.1")
# Where this machine itself reaches what listens there.
REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(HOST, HOST)  # noqa: S104  compared, not bound
PORT = env_int("PORT", 8000, minimum=1, maximum=65535)
BASE_URL = env_origin("BASE_URL", f"http://localhost:{PORT}")
FORCE_HTTPS = env_bool("FORCE_HTTPS", default=False)
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")
# Origins whose pages may read the session API from a browser, such as https://app.example.
CORS_ORIGINS = env_origins("CORS_ORIGINS")

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "config",
    "orgs",
    "accounts",
    "billing",
    "datastores",
    "metrics",
    "anomalies",
]

MIDDLEWARE = [
    "config.middleware.RequestContextMiddleware",
    "config.middleware.TenancyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.ContentSecurityPolicyMiddleware",
    "config.middleware.BodyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "accounts.presence.PersonMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False

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
                "config.pages.page_context",
            ]
        },
    }
]


def database_from_url(url: str, variable: str = "DATABASE_URL") -> dict[str, Any]:
    """Django's entry for a libpq URL or conninfo string; libpq's own parser reads every form of it."""
    known = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError:
        # Without libpq's words, which quote the text and with it the password.
        raise ImproperlyConfigured(f"{variable} is no PostgreSQL URL, postgresql://user@host/name, and no conninfo string.") from None
    entry: dict[str, Any] = {known[key]: str(value) for key, value in parts.items() if key in known}
    options: dict[str, Any] = {key: value for key, value in parts.items() if key not in known}
    # A pool opens connections in the background and hands out only live ones: a restarted server costs no failed request.
    options["pool"] = {"min_size": 1, "max_size": env_int("DATABASE_POOL", 8, minimum=1), "timeout": 3}
    return {"ENGINE": "config.database", "OPTIONS": options, **entry}


def owner_from_url(url: str) -> dict[str, Any]:
    """The owner's entry: without a pool, since its connections are few and short."""
    entry = database_from_url(url, "DATABASE_OWNER_URL")
    del entry["OPTIONS"]["pool"]
    return entry


DATABASE_URL = env_str("DATABASE_URL", f"postgresql://plumbline_app@/plumbline?host={PLUMBLINE_HOME}/s&port=5432")
# The role that owns the tables, for migrations alone. The product itself connects as a role from which PostgreSQL keeps other orgs' rows.
DATABASE_OWNER_URL = env_str("DATABASE_OWNER_URL", "")
REDIS_URL = env_redis("REDIS_URL", f"unix://{PLUMBLINE_HOME}/s/redis.sock")
DATABASES = {"default": database_from_url(DATABASE_URL)}
# Statements that are asked all day are planned once per connection; not where a pooler gives each transaction another one.
DATABASE_PREPARE = env_bool("DATABASE_PREPARE", default=True)
DATABASE_OWNER = owner_from_url(DATABASE_OWNER_URL) if DATABASE_OWNER_URL else None
if DATABASE_OWNER and DATABASE_OWNER.get("NAME") != DATABASES["default"].get("NAME"):
    raise ImproperlyConfigured("DATABASE_OWNER_URL and DATABASE_URL must name the same database, as two roles.")
# Whom migrations give the rights of the product.
DATABASE_APPLICATION_ROLE = DATABASES["default"].get("USER", "plumbline_app") if DATABASE_OWNER else "plumbline_app"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL, "KEY_PREFIX": "plumbline"}}

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AUTHENTICATION_BACKENDS = ["accounts.backends.OrgBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
LOGIN_URL = "/app/login"
LOGIN_REDIRECT_URL = "/app/"
SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_NAME = "session_id"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = FORCE_HTTPS
SECURE_HSTS_SECONDS = 31536000 if FORCE_HTTPS else 0
SECURE_REDIRECT_EXEMPT = ["^api/health$"]  # probes speak plain HTTP to the port itself
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = FORCE_HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env_bool("BEHIND_PROXY", default=False) else None
CSRF_FAILURE_VIEW = "config.pages.csrf_failure"
X_FRAME_OPTIONS = "DENY"

# Mail: without a server every mail lands as a file in PLUMBLINE_HOME/mail/.
EMAIL_HOST = env_str("EMAIL_HOST", "")
EMAIL_PORT = env_int("EMAIL_PORT", 587, minimum=1, maximum=65535)
EMAIL_HOST_USER = env_str("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env_secret("EMAIL_HOST_PASSWORD") if EMAIL_HOST_USER else ""
EMAIL_USE_TLS = env_bool("EMAIL_USE_TLS", default=True)
EMAIL_TIMEOUT = 15
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend" if EMAIL_HOST else "config.mail.FileBackend"
DEFAULT_FROM_EMAIL = env_str("DEFAULT_FROM_EMAIL", "Plumbline <plumbline@localhost>")
# What happens to people's anomalies is gathered for so many minutes before it is mailed.
NOTICE_MAIL_MINUTES = env_int("NOTICE_MAIL_MINUTES", 5, minimum=0, maximum=1440)
# Who reads what people report; empty: only the operators' admin shows it.
OPERATOR_EMAIL = env_str("OPERATOR_EMAIL", "")

# Messages to channels and telephones.
SLACK_API_URL = env_str("SLACK_API_URL", "https://slack.com/api")
# Hosts (with their port, if it is not the usual one) whose webhooks may be connected beside those of Slack and Teams, such as a Mattermost
# of the own network. Only they may have private addresses, and speak plain http.
WEBHOOK_HOSTS = [host.lower() for host in env_list("WEBHOOK_HOSTS")]
# The gateway for SMS; without one nobody gets any. `form`: To, From and Body, user and password; `json`: a bearer token.
SMS_URL = env_str("SMS_URL", "")
SMS_FORMAT = env_choice("SMS_FORMAT", "form", among=("form", "json"))
SMS_USER = env_str("SMS_USER", "")
SMS_PASSWORD = env_secret("SMS_PASSWORD") if SMS_URL else ""
SMS_FROM = env_str("SMS_FROM", "Plumbline")

# Payment: without a key billing is off, and everything says so.
STRIPE_SECRET_KEY = env_secret("STRIPE_SECRET_KEY", default="")
# Several while one follows the other, separated by commas.
STRIPE_WEBHOOK_SECRETS = [one.strip() for one in env_secret("STRIPE_WEBHOOK_SECRET").split(",")] if STRIPE_SECRET_KEY else []
STRIPE_API_BASE = env_str("STRIPE_API_BASE", "https://api.stripe.com")
# How long an org keeps its plan after a payment has failed.
BILLING_GRACE_DAYS = env_int("BILLING_GRACE_DAYS", 14, maximum=90)

# Guessing: tries per minute before the answer is 429.
LOGIN_PER_ACCOUNT = env_int("LOGIN_PER_ACCOUNT", 5, minimum=1)
LOGIN_PER_ADDRESS = env_int("LOGIN_PER_ADDRESS", 20, minimum=1)

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "config.formats"

STATIC_URL = "/static/"
STATIC_ROOT = PLUMBLINE_HOME / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# The operators' admin, in the product's colours (static/css/tokens.css).
UNFOLD = {
    "SITE_TITLE": "Plumbline",
    "SITE_HEADER": "Plumbline",
    "SITE_SUBHEADER": "for operators",
    "SITE_URL": "/app/",
    "SITE_ICON": lambda request: static("img/plumbline.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("img/plumbline.svg")}],
    "SHOW_HISTORY": True,
    "SIDEBAR": {"show_search": True, "navigation": "config.operate.navigation"},
    "COLORS": {
        "primary": {
            "50": "#f3faf9", "100": "#e6f3f1", "200": "#c5e4e0", "300": "#94cdc7", "400": "#3fb8af", "500": "#1d918b",
            "600": "#0b7a75", "700": "#096661", "800": "#0a524f", "900": "#0c4442", "950": "#042927",
        }
    },
}  # fmt: skip

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["config.api.authentication.TokenAuthentication", "config.api.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["config.api.permissions.OperationPermission"],
    "DEFAULT_RENDERER_CLASSES": ["config.api.renderers.JsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["config.api.parsers.JsonParser"],
    "DEFAULT_PAGINATION_CLASS": "config.api.pagination.EnvelopePagination",
    "DEFAULT_FILTER_BACKENDS": ["config.api.filters.StrictFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "config.api.schema.PlumblineSchema",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.api.renderers.AlwaysJson",
    "EXCEPTION_HANDLER": "config.api.problems.problem_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
# The rate limit of the REST and the session API together, per token, person or address.
API_RATE_PER_MINUTE = env_int("API_RATE_PER_MINUTE", 6000, minimum=1)
API_BURST = env_int("API_BURST", 600, minimum=1)

SPECTACULAR_SETTINGS = {
    "TITLE": "Plumbline",
    "VERSION": VERSION,
    "DESCRIPTION": "Anomalies in time series and tables, and everything around them. What holds everywhere is told in docs/api.md.",
    "TAGS": [
        {"name": "anomalies", "description": "What was found, and what people do about it."},
        {"name": "metrics", "description": "Series, their points, what was expected of them, and imports of history."},
        {"name": "datastores", "description": "Where data lives, and where levels are granted."},
        {"name": "billing", "description": "The org's plan, its usage by day, its invoices, and buying."},
        {"name": "operations", "description": "Long work and its progress."},
        {"name": "status", "description": "Whether the product works; open to everybody."},
    ],
    "OAS_VERSION": "3.1.1",
    # Fields of one name with several sets of values.
    "ENUM_NAME_OVERRIDES": {
        "AuditActionEnum": "datastores.models.AuditEntry.Action",
        "FlowActionEnum": ["archive", "delete"],
        "IntegrationTypeEnum": "anomalies.models.Integration.Type",
        "AnomalyStatus": ["Active", "Acknowledged", "Resolved", "Duplicate", "Invalid", "Discarded"],
        "OnlyTrue": [(True, True)],
        "OpenStatus": ["Active", "Acknowledged"],
        "ArchivedStatus": ["Resolved", "Duplicate", "Invalid", "Discarded"],
        "PaidPlanEnum": "billing.plans.PAID_CODES",
    },
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

LOG_FORMAT = env_choice("LOG_FORMAT", "text", among=("text", "json"))
LOG_LEVEL = env_choice("LOG_LEVEL", "INFO", among=("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING = logs.logging_config(form=LOG_FORMAT, level=LOG_LEVEL, color=env_bool("LOG_COLOR", default=sys.stderr.isatty()))

# Celery: Redis carries only what can be lost; the truth about what is left to do is in PostgreSQL.
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)
# Who orders something from a broker that is away is told after one more try: a request must not wait for it.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_keepalive": True, "socket_connect_timeout": 5, "visibility_timeout": 900, "max_retries": 1, "interval_start": 0.2,
}  # fmt: skip
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a broker that is away for long is waited for, not given up
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 600
CELERY_TASK_SOFT_TIME_LIMIT = 540
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TIMEZONE = "UTC"

# Detection: series are spread over this many shards, each with a queue and one process of its own.
DETECT_SHARDS = env_int("DETECT_SHARDS", 2, minimum=1, maximum=256)
DETECT_INTERVAL_S = env_int("DETECT_INTERVAL_S", 2, minimum=1, maximum=60)

# Processes of `manage.py up`, beside one per shard.
WEB_WORKERS = env_int("WEB_WORKERS", 2, minimum=1, maximum=64)
WEB_THREADS = env_int("WEB_THREADS", 4, minimum=1, maximum=256)
WORKER_PROCESSES = env_int("WORKER_PROCESSES", 2, minimum=1, maximum=64)
PLUMBLINE_DEMO = env_bool("PLUMBLINE_DEMO", default=True)

# Who does what: a shard's ticks have their own queue (named when they are sent), all else shares one.
CELERY_TASK_DEFAULT_QUEUE = "default"


def every(task: str, seconds: float, **options: Any) -> dict[str, Any]:
    """A beat entry. A run that nobody took before the next one is due is dropped, so that ticks never pile up."""
    return {"task": task, "schedule": seconds, "options": {"expires": seconds, **options}}


CELERY_BEAT_SCHEDULE = {
    **{
        f"detect shard {shard}": every("anomalies.tasks.detect", DETECT_INTERVAL_S, queue=f"detect.{shard}") | {"args": [shard]}
        for shard in range(DETECT_SHARDS)
    },
    "fold points into chunks": every("metrics.tasks.fold", 60),
    "drop what detection has consumed": every("anomalies.tasks.drop_consumed", 3600),
    "resume imports that were cut off": every("metrics.tasks.resume_imports", 60),
    "wake what sleeps until a moment": every("anomalies.tasks.wake_sleepers", 10),
    "forget which lists changed": every("anomalies.tasks.forget_list_changes", 3600),
    "housekeeping": every("anomalies.tasks.run_flows", 3600),
    "mail what people were told": every("anomalies.tasks.mail_notices", 60),
    "resume changes of many that were cut off": every("anomalies.tasks.resume_bulk_changes", 60),
    "send what was not sent": every("accounts.tasks.send_letters", 30),
    "deliver what is due": every("orgs.tasks.deliver_due", 10),
    "look after the health of each org's data": every("metrics.tasks.check_health", 60),
    "act on what the payment provider told": every("billing.tasks.act_on_events", 60),
    "end the grace after failed payments": every("billing.tasks.end_graces", 300),
    "read subscriptions anew": every("billing.tasks.sync_accounts", 3600),
    "note what each org uses of its quota": every("billing.tasks.record_usage", 600),
    "let demo visitors go": every("accounts.tasks.drop_visitors", 3600),
    "forget sessions that have ended": every("accounts.tasks.drop_sessions", 3600),
    "forget answers that are not repeated any more": every("orgs.tasks.drop_answers", 3600),
    "forget messages of a month ago": every("orgs.tasks.drop_deliveries", 86_400),
    "forget mails of a month ago": every("accounts.tasks.drop_letters", 86_400),
    "make partitions ahead": every("metrics.tasks.make_partitions", 3600),
    "forget old changes of many": {"task": "anomalies.tasks.forget_bulk_changes", "schedule": crontab(hour="3", minute="40")},
    "forget what people were told 90 days ago": {"task": "anomalies.tasks.forget_notices", "schedule": crontab(hour="3", minute="50")},
    "erase closed orgs": {"task": "anomalies.tasks.erase_closed", "schedule": crontab(hour="3", minute="10")},
    "fold hours into days": {"task": "metrics.tasks.fold_day", "schedule": crontab(hour="0", minute="30")},
    "drop expired points": {"task": "metrics.tasks.drop_expired", "schedule": crontab(hour="1", minute="15")},
}

if STRIPE_SECRET_KEY and not STRIPE_SECRET_KEY.startswith(("sk_", "rk_")):
    raise ImproperlyConfigured("STRIPE_SECRET_KEY must be a secret key (sk_…) or a restricted one (rk_…), not a publishable one.")
if not DEBUG and len(SECRET_KEY) < 32:
    raise ImproperlyConfigured("SECRET_KEY must have at least 32 characters.")

os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_folder()))
