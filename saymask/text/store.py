"""A small database of arrays on disk that several processes may read and write at once (SQLite)."""

import os
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from saymask.util.locks import only_process

_SCHEMA = """
CREATE TABLE IF NOT EXISTS features (
    key BLOB PRIMARY KEY, length INTEGER NOT NULL, dtype TEXT NOT NULL,
    tokens BLOB NOT NULL, sentence BLOB NOT NULL, offsets BLOB NOT NULL
) WITHOUT ROWID
"""
_VERSION = 1
_BUSY_SECONDS = 30.0
_BATCH = 500  # SQLite's oldest limit of variables in one statement is 999

Row = tuple[int, str, bytes, bytes, bytes]
"""Length, dtype name, and the bytes of tokens, sentence and offsets."""

# A connection made before a fork must be neither used nor closed by the child: closing it there drops the parent's
# locks. They are kept here so that nothing collects them.
_inherited: list[sqlite3.Connection] = []


class FeatureStore:
    """Rows of text features by key, on disk; without a usable disk it keeps nothing and says so once.

    A damaged file is reported and begun anew. Safe with threads, forks and several processes: writes are
    `INSERT OR IGNORE` in WAL mode, so whoever comes second finds the first one's row.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.usable = True
        self._lock = path.with_name(path.name + ".lock")
        self._local = threading.local()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "usable": self.usable}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])
        self.usable = state["usable"]

    def get(self, keys: Iterable[bytes]) -> dict[bytes, Row]:
        """Return the stored rows among `keys`."""
        wanted = list(keys)

        def read(connection: sqlite3.Connection) -> dict[bytes, Row]:
            found: dict[bytes, Row] = {}
            for start in range(0, len(wanted), _BATCH):
                part = wanted[start : start + _BATCH]
                marks = ",".join("?" * len(part))
                columns = "key, length, dtype, tokens, sentence, offsets"
                query = f"SELECT {columns} FROM features WHERE key IN ({marks})"  # noqa: S608 - question marks alone
                found.update({row[0]: row[1:] for row in connection.execute(query, part)})
            return found

        return (self._attempt(read) or {}) if wanted else {}

    def put(self, rows: dict[bytes, Row]) -> None:
        """Store `rows` in one transaction; a key that is there already keeps its row."""

        def write(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany(
                    "INSERT OR IGNORE INTO features VALUES (?, ?, ?, ?, ?, ?)",
                    [(key, *row) for key, row in rows.items()],
                )

        if rows:
            self._attempt(write)

    def close(self) -> None:
        """Close this thread's connection; the next call opens it again."""
        state = getattr(self._local, "state", None)
        self._local.state = None
        if state is not None and state[0] == os.getpid():
            state[1].close()

    def _attempt(self, action: Any) -> Any:
        """Run `action(connection)`; rebuild a damaged file once, give the disk up on any other failure."""
        if not self.usable:
            return None
        try:
            try:
                return self._patiently(lambda: action(self._connection()))
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                damage = error
                self._patiently(lambda: self._rebuild(damage))
                return self._patiently(lambda: action(self._connection()))
        except (sqlite3.Error, OSError) as error:
            self.usable = False
            warnings.warn(
                f"text features are kept in memory only, not in {self.path}: {error}; "
                "set SAYMASK_CACHE to a folder that can be written to keep them",
                stacklevel=4,
            )
            return None

    def _patiently(self, action: Callable[[], Any]) -> Any:
        """Run `action`, again while others hold the file: some states of theirs are busy at once."""
        patience = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                return action()
            except sqlite3.OperationalError as error:
                busy = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                if not busy or time.monotonic() > patience:
                    raise
                time.sleep(0.02)

    def _connection(self) -> sqlite3.Connection:
        state = getattr(self._local, "state", None)
        if state is not None and state[0] == os.getpid():
            return state[1]
        if state is not None:
            _inherited.append(state[1])
        connection = self._open()
        self._local.state = (os.getpid(), connection)
        return connection

    def _open(self, *, alone: bool = False) -> sqlite3.Connection:
        """Open the file, laid out if it is new; `alone` says that this process holds the lock already."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # SQLite does not guard the first moments of a file: who opens it while another lays it out, or replaces a
        # damaged one, may delete the other's journal. So one process at a time opens it.
        with nullcontext() if alone else only_process(self._lock):
            connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS)
            try:
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                if version not in (0, _VERSION):
                    raise sqlite3.OperationalError(f"the file has layout {version}, this program writes {_VERSION}")
                connection.execute("PRAGMA synchronous=NORMAL")
                if version == 0:
                    connection.execute("PRAGMA journal_mode=WAL")
                    with connection:
                        connection.execute(_SCHEMA)
                        connection.execute(f"PRAGMA user_version={_VERSION}")
                query = "SELECT key, length, dtype, tokens, sentence, offsets FROM features LIMIT 1"
                connection.execute(query).fetchone()
            except BaseException:
                connection.close()
                raise
        return connection

    def _rebuild(self, error: sqlite3.DatabaseError) -> None:
        self.close()
        with only_process(self._lock):
            try:
                # Another process may have been here first; its new file must not be thrown away.
                connection = self._open(alone=True)
                try:
                    if connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok":
                        return
                finally:
                    connection.close()
            except sqlite3.DatabaseError as again:
                if not _is_damage(again):
                    raise
            warnings.warn(f"the cache {self.path} was damaged ({error}) and is begun anew", stacklevel=7)
            for suffix in ("", "-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Say whether `error` means broken content, not a lock, a full disk or a missing right."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "no such" in str(error)
