"""Who signs in: Django's own check of the password, and of a person what each page of the console asks first."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.db.models import Q

from accounts.models import User


class PersonBackend(ModelBackend):
    def get_user(self, user_id: Any) -> User | None:
        """With the second factor in one read: whether a code was given is asked right after who it is."""
        person: User | None = User.objects.select_related("second_factor").filter(pk=user_id).first()
        return person if person is not None and self.user_can_authenticate(person) else None

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Of the person and of the groups in one question: the menu asks about every page."""
        if obj is not None or not user_obj.is_active or user_obj.is_anonymous:
            return set()
        if not hasattr(user_obj, "_perm_cache"):
            mine = Permission.objects.filter(Q(user=user_obj) | Q(group__user=user_obj))
            every = Permission.objects.all() if user_obj.is_superuser else mine
            names = every.order_by().values_list("content_type__app_label", "codename").distinct()
            user_obj._perm_cache = {f"{app}.{name}" for app, name in names}
        permissions: set[str] = user_obj._perm_cache
        return permissions
