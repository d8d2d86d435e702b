"""Files packed into one, the same bytes whenever they are the same; what is unpacked is not trusted."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from harness.errors import HarnessError
from harness.safetext import one_line

MEMBERS = 100_000
"""At most in one archive."""
LEVEL = 1
"""Of compression: most of it is compressed already."""


def packed(files: Iterable[tuple[str, bytes | Path]]) -> bytes:
    """A tar.gz of files by name, without times, owners or modes."""
    sink = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=sink, mode="wb", compresslevel=LEVEL, mtime=0) as pressed,
        tarfile.open(fileobj=pressed, mode="w|") as archive,
    ):
        for name, content in sorted(files, key=lambda each: each[0]):
            data = content.read_bytes() if isinstance(content, Path) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return sink.getvalue()


def unpacked(content: bytes, known: Iterable[str], most_bytes: int) -> dict[str, bytes]:
    """Its files by name; `known`: names, and folders that end in ``/``.

    Raises `HarnessError` for anything but plain files of known names, each once, of so many bytes in all.
    """
    names, found = tuple(known), dict[str, bytes]()
    try:
        with tarfile.open(fileobj=_Bounded(content, most_bytes), mode="r|") as archive:
            for member in archive:
                _check(member, names, found)
                opened = archive.extractfile(member)
                found[member.name] = opened.read() if opened is not None else b""
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:
        raise HarnessError(f"it is no sound archive: {one_line(str(error))[:120]}") from None
    return found


def _check(member: tarfile.TarInfo, names: tuple[str, ...], found: dict[str, bytes]) -> None:
    told = repr(one_line(member.name)[:80])
    if not member.isreg() or member.issparse():
        raise HarnessError(f"it holds {told}, which is no plain file")
    if len(found) >= MEMBERS or member.name in found:
        raise HarnessError(
            f"it holds {told} twice" if member.name in found else f"it holds more than {MEMBERS:,} files"
        )
    path = PurePosixPath(member.name)
    plain = not path.is_absolute() and path.as_posix() == member.name and ".." not in path.parts
    is_known = any(member.name.startswith(name) if name.endswith("/") else member.name == name for name in names)
    if not plain or not is_known or "\\" in member.name or not member.name.isprintable():
        raise HarnessError(f"it holds {told}, which it may not")


class _Bounded(io.RawIOBase):
    """What an archive holds, decompressed as it is read, up to a limit."""

    def __init__(self, content: bytes, most: int) -> None:
        self._pressed, self._left, self._most = gzip.GzipFile(fileobj=io.BytesIO(content)), most, most

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._pressed.read(self._left + 1 if size < 0 else min(size, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise HarnessError(f"it holds more than {self._most:,} bytes")
        return data
