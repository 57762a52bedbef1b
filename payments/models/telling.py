"""A row about which a human is told things, each of them once."""

from __future__ import annotations

import hashlib

from django.contrib.postgres.fields import ArrayField
from django.db import models

NEWS_LENGTH = 64  # A word of ours, or the hash of a provider's sentence: those are longer than any column.
# Whoever was told that many sentences is looking already; a provider that invents them fills no row.
MAX_NEWS = 50


class Telling(models.Model):
    told = ArrayField(models.CharField(max_length=200), default=list, help_text="What a human was told already.")

    class Meta:
        abstract = True

    def tell_once(self, news: str) -> bool:
        """Whether a human still has to be told. The same news of every look-up would be noise."""
        name = _name(news)
        endless = name != news and len(self.told) >= MAX_NEWS
        if name in self.told or endless:
            return False
        self.told = [*self.told, name]
        return True

    def was_told(self, news: str) -> bool:
        return _name(news) in self.told

    def forget(self, news: str) -> None:
        """It is over: should it come again, it is news again."""
        self.told = [told for told in self.told if told != _name(news)]


def _name(news: str) -> str:
    return news if len(news) <= NEWS_LENGTH else hashlib.sha256(news.encode()).hexdigest()
