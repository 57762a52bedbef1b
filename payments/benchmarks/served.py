"""What gunicorn serves to a benchmark: the product's own WSGI application, with one provider more."""

from django.core.servers.basehttp import get_internal_wsgi_application

# The one that the settings name. To import it is what sets Django up, without which no model can be imported.
application = get_internal_wsgi_application()

from payments.benchmarks.instant_provider import register_instant_provider  # noqa: E402  As above.

register_instant_provider()
