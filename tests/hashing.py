"""Passwords that are hashed as in the product, but for the quarter of a second that each is to cost a thief."""

from __future__ import annotations

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class QuickHasher(PBKDF2PasswordHasher):
    iterations = 1_000
