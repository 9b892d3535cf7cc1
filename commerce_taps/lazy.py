"""Values made when they are first asked for, by whichever thread."""

from __future__ import annotations

import functools
import threading
import typing as t

from typing_extensions import override

if t.TYPE_CHECKING:
    from typing_extensions import Self

T_co = t.TypeVar("T_co", covariant=True)


class cached_property(functools.cached_property[T_co]):  # noqa: N801 - named as what it stands for
    """The one of `functools`, made once even if several threads ask at the same time.

    From Python 3.12 on, that one has no lock: each thread could make a value of its own.
    """

    def __init__(self, func: t.Callable[[t.Any], T_co]) -> None:
        """Make the value with `func`."""
        super().__init__(func)
        self._making = threading.RLock()

    @t.overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @t.overload
    def __get__(self, instance: object, owner: type | None = None) -> T_co: ...

    @override
    def __get__(self, instance: object, owner: type | None = None) -> Self | T_co:
        """The value; asked of the class, this property itself."""
        with self._making:
            return super().__get__(instance, owner)
