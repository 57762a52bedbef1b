"""The restaurant and the mode travel with each reference: no row can hang on another tenant's (I20)."""

from django.db import migrations

# (name, table, its column, the table it points to)
REFERENCES = (
    ("payment_in_its_orders_tenant", "payments_payment", "order_id", "orders_order"),
    ("attempt_in_its_payments_tenant", "payments_attempt", "payment_id", "payments_payment"),
    ("attempt_in_its_accounts_tenant", "payments_attempt", "account_id", "payments_provideraccount"),
    ("refund_in_its_attempts_tenant", "payments_refund", "attempt_id", "payments_attempt"),
    ("refund_in_its_accounts_tenant", "payments_refund", "account_id", "payments_provideraccount"),
)


def composite_key(name: str, table: str, column: str, target: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        sql=f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({column}, restaurant_id, mode) "
        f"REFERENCES {target} (id, restaurant_id, mode) DEFERRABLE INITIALLY DEFERRED",
        reverse_sql=f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial")]

    operations = [composite_key(*reference) for reference in REFERENCES]
