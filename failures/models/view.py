"""A view: a list of the queue that somebody narrowed down and gave a name."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from accounts.models import Restaurant, User
from kernel import clock

LONGEST_NAME = 40  # A few words on a button that is read at a glance, on a phone too.
LONGEST_QUERY = 1_000  # All kinds of cases, both modes, a colleague and a restaurant by their ids, and an order.
_LIVE = Q(removed_at=None)


class SavedView(models.Model):
    """One's own, or shared with everyone of the restaurant. It is never changed, only removed: then its row stays, and
    its name, which may be a guest's, is forgotten.
    """

    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    restaurant = models.ForeignKey(Restaurant, on_delete=models.PROTECT, related_name="+")
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=LONGEST_NAME)
    query = models.CharField(max_length=LONGEST_QUERY, help_text="Filters and order in one form, never a search.")
    is_shared = models.BooleanField()
    created_at = models.DateTimeField(default=clock.now)
    removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Lower("name"),
                "restaurant",
                "owner",
                condition=_LIVE & Q(is_shared=False),
                name="one_view_of_ones_own_per_name",
            ),
            models.UniqueConstraint(
                Lower("name"), "restaurant", condition=_LIVE & Q(is_shared=True), name="one_shared_view_per_name"
            ),
            models.CheckConstraint(condition=_LIVE ^ Q(name=""), name="view_has_a_name_while_it_is_there"),
            models.CheckConstraint(condition=~Q(query=""), name="view_has_filters"),
        ]
        triggers = [
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="what_is_kept_is_fixed",
                fields=["id", "restaurant", "owner", "query", "is_shared", "created_at"],
            ),
            pgtrigger.Protect(
                name="its_name_is_only_forgotten",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__name__df=pgtrigger.F("new__name")) & ~pgtrigger.Q(new__name=""),
            ),
            pgtrigger.Protect(
                name="removed_for_good",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__removed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name
