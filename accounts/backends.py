"""Who signs in: Django's own check of the password, and the person with the second factor in one read."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend

from accounts.models import User


class PersonBackend(ModelBackend):
    def get_user(self, user_id: Any) -> User | None:
        """Of each request of the console: whether a code was given is asked right after who it is."""
        person: User | None = User.objects.select_related("second_factor").filter(pk=user_id).first()
        return person if person is not None and self.user_can_authenticate(person) else None
