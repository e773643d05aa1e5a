"""A lock for threads that is handed on in the order of asking."""

import threading
from collections import deque


class OrderedLock:
    """Held by one thread at a time. The releasing thread wakes the next waiter, and no other thread gets in between."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_held = False
        self._waiting: deque[threading.Lock] = deque()

    def acquire(self, timeout: float) -> bool:
        """Take it as soon as it is this thread's turn; false where that took longer than ``timeout`` seconds."""
        with self._lock:
            if not self._is_held:
                self._is_held = True
                return True
            called = threading.Lock()
            called.acquire()
            self._waiting.append(called)
        if called.acquire(timeout=timeout):
            return True
        with self._lock:
            if called not in self._waiting:
                # Handed over in the very moment.
                return True
            self._waiting.remove(called)
        return False

    def release(self) -> None:
        """Hand it to the longest waiter."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_held = False
