"""The ASGI application: the one process that lets many clients wait for a payment. Everything else is WSGI."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# The API answers in this process too, with its models loaded: only then is there anything to wait for.
_api = get_wsgi_application()

from payments.waiting import Waiting  # noqa: E402  Models exist only now.

application = Waiting(_api)
