"""Said by the database, because the console is not the only way to a row."""

from __future__ import annotations

from django.db import migrations

# Not refused: going back to the currency that all orders have.
_CURRENCY_IS_FIXED = """
CREATE FUNCTION orders_currency_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM orders_order WHERE restaurant_id = NEW.id AND currency <> NEW.currency) THEN
        RAISE EXCEPTION 'Restaurant % has orders in another currency than %', NEW.slug, NEW.currency
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER currency_is_fixed BEFORE UPDATE OF currency ON accounts_restaurant
    FOR EACH ROW WHEN (NEW.currency IS DISTINCT FROM OLD.currency)
    EXECUTE FUNCTION orders_currency_is_fixed()
"""
_FORGOTTEN = """
DROP TRIGGER currency_is_fixed ON accounts_restaurant;
DROP FUNCTION orders_currency_is_fixed()
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0002_guests")]

    operations = [migrations.RunSQL(_CURRENCY_IS_FIXED, _FORGOTTEN)]
