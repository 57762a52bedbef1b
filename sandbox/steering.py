"""What the provider was told to do wrong, and how often it did so already. It is forgotten with the process."""

from __future__ import annotations

from collections import Counter, deque

from kernel import clock
from sandbox.behaviours import LOOK_UPS, MODES, NO_TROUBLE, ORDERS, REFUNDS, Mode, RefundBehaviour, Trouble


class Steering:
    def __init__(self, *, trouble_times: int) -> None:
        self._trouble_times = trouble_times
        self._met: Counter[str] = Counter()
        self._hidden: Counter[str] = Counter()
        self._mode = Mode.OK
        self._mode_until = float("inf")
        self.mode_delay_seconds: float | None = None
        self._look_up = ""
        self._look_up_times = 0
        self._next_refunds: deque[str] = deque()
        self._next_orders: deque[str] = deque()
        self._refund_of_key: dict[str, str] = {}

    @property
    def mode(self) -> Mode:
        return self._mode if clock.now().timestamp() < self._mode_until else Mode.OK

    @property
    def mode_trouble(self) -> Trouble:
        return MODES[self.mode]

    def set_mode(self, mode: Mode, *, seconds: float | None = None, delay_seconds: float | None = None) -> None:
        """For some seconds, or until it is changed."""
        self._mode = mode
        self._mode_until = float("inf") if seconds is None else clock.now().timestamp() + seconds
        self.mode_delay_seconds = delay_seconds

    def meet(self, key: str, trouble: Trouble) -> Trouble:
        """Trouble passes: only the first requests with a key meet it."""
        self._met[key] += 1
        return trouble if self._met[key] <= self._trouble_times else NO_TROUBLE

    def set_look_ups(self, behaviour: str, *, times: int) -> None:
        self._look_up, self._look_up_times = behaviour, times

    def next_look_up(self) -> tuple[str, Trouble]:
        if not self._look_up_times:
            return "", NO_TROUBLE
        self._look_up_times -= 1
        return self._look_up, LOOK_UPS[self._look_up]

    def hide(self, key: str, *, look_ups: int) -> None:
        self._hidden[key] = look_ups

    def is_hidden(self, key: str) -> bool:
        """Whether this look-up is one of those that do not see it yet."""
        self._hidden[key] -= 1
        return self._hidden[key] >= 0

    def add_orders(self, behaviour: str, *, times: int) -> None:
        self._next_orders.extend([behaviour] * times)

    def order_trouble(self) -> Trouble:
        """The next order's, whichever it is: a repetition of it is the next one."""
        return ORDERS[self._next_orders.popleft()] if self._next_orders else NO_TROUBLE

    def add_refunds(self, behaviour: str, *, times: int) -> None:
        self._next_refunds.extend([behaviour] * times)

    def refund_behaviour(self, key: str, usual: str) -> RefundBehaviour:
        """A repeated refund behaves as it did the first time."""
        if key not in self._refund_of_key:
            self._refund_of_key[key] = self._next_refunds.popleft() if self._next_refunds else usual or "ok"
        return REFUNDS[self._refund_of_key[key]]
