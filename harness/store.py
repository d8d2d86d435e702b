"""One SQLite file of append-only, checksummed records, and content-addressed parts beside it.

Records say what happened; parts (Arrow files) hold questions and answers. A part is written to a temporary
file, fsynced and renamed before any record names it. Rows whose checksum fails and parts whose hash fails
are treated as absent, so they are computed again, never believed. Only the parent process writes records;
workers write parts.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import StoreError
from harness.keys import canonical
from harness.types import Status

FILE = "store.sqlite"
SCHEMA = 1
BUSY_TIMEOUT_S = 30
LEASE_S = 60
"""A lease not renewed for this long belongs to nobody."""

_TABLES = """
CREATE TABLE IF NOT EXISTS records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL, run TEXT NOT NULL,
    created REAL NOT NULL, body TEXT NOT NULL, sha256 TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS records_by_key ON records (kind, key);
CREATE INDEX IF NOT EXISTS records_by_run ON records (run, kind);
CREATE TABLE IF NOT EXISTS leases (key TEXT PRIMARY KEY, owner TEXT NOT NULL, renewed REAL NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Record:
    kind: str
    """`run`, `ended`, `task`, `cell`, `answers`, `asset` or `artifact`."""
    key: str
    run: str
    created: float
    body: Mapping[str, Any]


class Store:
    """A folder that survives kills, full disks and eight processes at once; raises `StoreError`.

    To read only, it may be a folder that cannot be written; nothing is appended then.
    """

    def __init__(self, root: Path, *, to_read: bool = False) -> None:
        self.root = root
        with _told(root):
            self._db = _open_to_read(root) if to_read else _open_to_write(root)

    def close(self) -> None:
        self._db.close()

    # -- records -----------------------------------------------------------------------------------

    def append(self, kind: str, key: str, run: str, body: Mapping[str, Any]) -> None:
        text = canonical(body).decode()
        created = time.time()
        with _told(self.root):
            self._db.execute(
                "INSERT INTO records (kind, key, run, created, body, sha256) VALUES (?, ?, ?, ?, ?, ?)",
                (kind, key, run, created, text, _checksum(kind, key, run, created, text)),
            )

    def records(self, kind: str, *, key: str | None = None, run: str | None = None) -> Iterator[Record]:
        """Sound records of one kind, oldest first."""
        where, values = ["kind = ?"], [kind]
        for column, value in (("key", key), ("run", run)):
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)
        query = f"SELECT key, run, created, body, sha256 FROM records WHERE {' AND '.join(where)} ORDER BY seq"
        with _told(self.root):
            for found, owner, created, body, checksum in self._db.execute(query, values):
                if _checksum(kind, found, owner, created, body) == checksum:
                    yield Record(kind, found, owner, created, json.loads(body))

    def latest(self, kind: str, key: str, run: str | None = None) -> Record | None:
        last = None
        for record in self.records(kind, key=key, run=run):
            last = record
        return last

    def done(self, key: str, before: float = math.inf) -> Record | None:
        """The last record of a cell that was finished, and not after a moment (seconds since 1970)."""
        last = None
        for record in self.records("cell", key=key):
            if record.body["status"] == Status.DONE and record.created <= before:
                last = record
        return last

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is appended within is there whole or not at all."""
        with _told(self.root):
            self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            with _told(self.root):
                self._db.execute("COMMIT")
        except BaseException:
            # SQLite itself takes back what met a full disk; then there is nothing left to roll back.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    # -- parts -------------------------------------------------------------------------------------

    def parts(self, names: Sequence[str]) -> list[bytes] | None:
        """The bytes of parts, or None if any is absent or damaged."""
        with _told(self.root):
            return read_parts(self.root, names)

    # -- leases ------------------------------------------------------------------------------------

    def acquire(self, key: str, owner: str) -> bool:
        """Take the right to run a cell, if nobody alive holds it; taking it again renews it."""
        now = time.time()
        with _told(self.root):
            changed = self._db.execute(
                "INSERT INTO leases (key, owner, renewed) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE "
                "SET owner = excluded.owner, renewed = excluded.renewed "
                "WHERE leases.owner = excluded.owner OR leases.renewed < ?",
                (key, owner, now, now - LEASE_S),
            )
            return changed.rowcount == 1

    def release(self, key: str, owner: str) -> None:
        with _told(self.root):
            self._db.execute("DELETE FROM leases WHERE key = ? AND owner = ?", (key, owner))

    def holder(self, key: str) -> str | None:
        row = self._db.execute("SELECT owner FROM leases WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def evict(self, key: str, owner: str) -> None:
        """Drop the lease of an owner known to be dead."""
        self.release(key, owner)


def _open_to_write(root: Path) -> sqlite3.Connection:
    try:
        for name in ("parts", "logs", "assets", "artifacts"):
            (root / name).mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(root / FILE, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        _check_schema(db, root, 0, SCHEMA)
        db.executescript(_TABLES + f"PRAGMA user_version={SCHEMA};")
    except (sqlite3.Error, OSError) as error:
        if root.is_dir() and not os.access(root, os.W_OK):
            raise StoreError(
                f"store {root} cannot be written; harness report reads it, but a run needs another --store"
            ) from error
        raise
    return db


def _open_to_read(root: Path) -> sqlite3.Connection:
    file = root / FILE
    try:
        db = _connect(file, "mode=rw")
        _check_schema(db, root, SCHEMA)
    except sqlite3.OperationalError as error:
        # The low byte: what follows it tells why (a folder, a recovery).
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
        # SQLite needs a file of its own beside a database in WAL mode, and cannot make it in this folder.
        db = _unshared(file)
        _check_schema(db, root, SCHEMA)
    return db


def _unshared(file: Path) -> sqlite3.Connection:
    """A database that nobody has open, in a folder that cannot be written."""
    log = file.with_name(f"{file.name}-wal")
    if not log.exists() or not log.stat().st_size:
        return _connect(file, "immutable=1")
    # What was committed last is in the log alone, as a killed run leaves it; immutable would pass it over.
    db = sqlite3.connect(":memory:", isolation_level=None)
    with tempfile.TemporaryDirectory() as folder:
        for part in (file, log):
            shutil.copyfile(part, Path(folder, part.name))
        with closing(_connect(Path(folder, file.name), "mode=rw")) as copy:
            copy.backup(db)
    return db


def _connect(file: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.resolve().as_uri()}?{how}", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)


def _check_schema(db: sqlite3.Connection, root: Path, *known: int) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version not in known:
        if not version:
            raise StoreError(f"store {root} holds nothing yet; start a run with harness run")
        raise StoreError(f"store {root} has schema {version}, this harness knows {SCHEMA}; use another --store")


def part_path(root: Path, sha256: str) -> Path:
    return root / "parts" / sha256[:2] / f"{sha256}.arrow"


def write_part(root: Path, content: bytes) -> str:
    """Store bytes under their own hash, durably; damaged ones are written anew. Raises `StoreError`."""
    sha256 = hashlib.sha256(content).hexdigest()
    with _told(root):
        if read_part(root, sha256) is None:
            write_durably(part_path(root, sha256), content)
    return sha256


def read_part(root: Path, sha256: str) -> bytes | None:
    """The bytes of a part, or None if they are absent or not what their name says."""
    try:
        content = part_path(root, sha256).read_bytes()
    except FileNotFoundError:
        return None
    return content if hashlib.sha256(content).hexdigest() == sha256 else None


def read_parts(root: Path, names: Sequence[str]) -> list[bytes] | None:
    """The bytes of parts, or None if any is absent or damaged."""
    found = [content for name in names if (content := read_part(root, name)) is not None]
    return found if len(found) == len(names) else None


def write_durably(path: Path, content: bytes) -> None:
    """Temporary file, fsync, rename, fsync of the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _checksum(kind: str, key: str, run: str, created: float, body: str) -> str:
    return hashlib.sha256(canonical([kind, key, run, created, body])).hexdigest()


@contextmanager
def _told(root: Path) -> Iterator[None]:
    """Trouble with the disk or the file, as one line."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"store {root}: {error}; check space and permissions, or give another --store") from error
    except OSError as error:
        raise StoreError(f"store {root}: {error.strerror or error}; give another --store") from error
