"""Daily figures per method and currency, in the restaurant's business day. Read from the rows, never kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from accounts.models import Restaurant
from kernel.modes import Mode

# A quarter, and a day for its ends.
MOST_DAYS = 93


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyFigures:
    """Of one method and currency on one business day.

    A tip is nobody's revenue: net is without it, and what the staff are paid is a net of its own.
    """

    day: date
    method: str
    currency: str
    payments: int
    completed: int
    failed: int
    gross_minor: int
    tips_minor: int
    refunds_minor: int
    tips_refunded_minor: int

    @property
    def net_minor(self) -> int:
        return self.gross_minor - self.refunds_minor

    @property
    def net_tips_minor(self) -> int:
        return self.tips_minor - self.tips_refunded_minor

    @property
    def success_rate(self) -> float | None:
        """Of the payments whose end is known."""
        ended = self.completed + self.failed
        return self.completed / ended if ended else None


# Counted where they happened: a payment on the day it began, a refund on the day it was made. Money that was never due
# is neither revenue nor a refund of it. What a provider gave back by itself knows no tip: it is of the share first, and
# what is more than the share was is of the tip.
_FIGURES = """
    WITH taken AS (
        SELECT p.method, p.currency,
               ((p.created_at AT TIME ZONE %(zone)s) - %(starts)s)::date AS day,
               p.status, a.captured_minor, a.tip_minor
          FROM payments_payment p
          LEFT JOIN payments_attempt a ON a.payment_id = p.id AND a.capture = 'kept'
         WHERE p.restaurant_id = %(restaurant)s AND p.mode = %(mode)s
           AND p.created_at >= %(begins)s AND p.created_at < %(ends)s AND p.method <> ''
    ), given_back AS (
        SELECT p.method, p.currency,
               ((r.finished_at AT TIME ZONE %(zone)s) - %(starts)s)::date AS day,
               r.amount_minor, r.tip_minor,
               GREATEST(0, earlier.minor + r.amount_minor - share.minor) - GREATEST(0, earlier.minor - share.minor)
                   AS beyond_minor
          FROM payments_refund r
          JOIN payments_payment p ON p.id = r.payment_id
          JOIN payments_attempt a ON a.id = r.attempt_id AND a.capture = 'kept'
         CROSS JOIN LATERAL (SELECT a.captured_minor - a.tip_minor AS minor) share
         CROSS JOIN LATERAL (
            SELECT COALESCE(SUM(e.amount_minor), 0) AS minor FROM payments_refund e
             WHERE e.attempt_id = r.attempt_id AND e.status = 'completed'
               AND (e.finished_at, e.id) < (r.finished_at, r.id)
         ) earlier
         WHERE r.restaurant_id = %(restaurant)s AND r.mode = %(mode)s AND r.status = 'completed'
           AND r.finished_at >= %(begins)s AND r.finished_at < %(ends)s
    )
    SELECT day, method, currency,
           SUM(payments)::bigint, SUM(completed)::bigint, SUM(failed)::bigint,
           SUM(gross)::bigint, SUM(tips)::bigint, SUM(refunds)::bigint, SUM(tips_refunded)::bigint
      FROM (
        SELECT day, method, currency, COUNT(*) AS payments,
               COUNT(*) FILTER (WHERE status = 'completed' AND captured_minor IS NOT NULL) AS completed,
               COUNT(*) FILTER (WHERE status = 'failed') AS failed,
               COALESCE(SUM(captured_minor - tip_minor), 0) AS gross, COALESCE(SUM(tip_minor), 0) AS tips,
               0 AS refunds, 0 AS tips_refunded
          FROM taken GROUP BY day, method, currency
         UNION ALL
        SELECT day, method, currency, 0, 0, 0, 0, 0, SUM(amount_minor - beyond_minor), SUM(tip_minor + beyond_minor)
          FROM given_back GROUP BY day, method, currency
      ) both_sides
     GROUP BY day, method, currency ORDER BY day, method, currency"""


def daily_figures(*, restaurant: Restaurant, mode: Mode, first: date, last: date) -> Iterator[DailyFigures]:
    starts = timedelta(hours=restaurant.day_starts_at.hour, minutes=restaurant.day_starts_at.minute)
    words: dict[str, Any] = {
        "zone": restaurant.time_zone,
        "starts": starts,
        "restaurant": restaurant.pk,
        "mode": mode,
        "begins": beginning_of(first, restaurant),
        "ends": beginning_of(last + timedelta(days=1), restaurant),
    }
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES, words)
        rows = cursor.fetchall()
    names = [each.name for each in fields(DailyFigures)]
    for row in rows:
        yield DailyFigures(**dict(zip(names, row, strict=True)))


def beginning_of(day: date, restaurant: Restaurant) -> datetime:
    """Of a business day, which begins hours after midnight and lasts into the next date."""
    return datetime.combine(day, restaurant.day_starts_at, tzinfo=ZoneInfo(restaurant.time_zone))


def business_day(moment: datetime, restaurant: Restaurant) -> date:
    local = moment.astimezone(ZoneInfo(restaurant.time_zone))
    return local.date() if local.time() >= restaurant.day_starts_at else local.date() - timedelta(days=1)
