"""What a caller takes: this API speaks JSON only, and who takes its refusals takes its answers."""

from __future__ import annotations

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request

from api.refusing import CONTENT_TYPE


class JSONForWhoeverTakesIt(DefaultContentNegotiation):
    def get_accept_list(self, request: Request) -> list[str]:
        """A header without a word takes everything, as one that is not there."""
        takes = [part for part in super().get_accept_list(request) if part]
        return ["application/json" if part.partition(";")[0].strip() == CONTENT_TYPE else part for part in takes] or [
            "*/*"
        ]
