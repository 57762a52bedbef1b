"""No route to another tenant's account, and no refund of a payment by another payment's attempt."""

from importlib import import_module

from django.db import migrations

composite_key = import_module("payments.migrations.0002_tenants").composite_key


class Migration(migrations.Migration):
    dependencies = [("payments", "0004_fixed_identities")]

    operations = [
        composite_key("route_in_its_accounts_tenant", "payments_route", "account_id", "payments_provideraccount"),
        migrations.RunSQL(
            sql="ALTER TABLE payments_refund ADD CONSTRAINT refund_of_its_attempts_payment "
            "FOREIGN KEY (attempt_id, payment_id) REFERENCES payments_attempt (id, payment_id) "
            "DEFERRABLE INITIALLY DEFERRED",
            reverse_sql="ALTER TABLE payments_refund DROP CONSTRAINT refund_of_its_attempts_payment",
        ),
    ]
