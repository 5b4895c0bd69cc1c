"""A pgbouncer of the demonstration's own: transaction pooling, one connection
to the server, a socket in a private folder that goes with it.

Copyright (c) 2026, the pg_steward authors
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from database import DATABASE, connect

PORT = 6432
SETTINGS = """
[databases]
{database} = host={host} port={port} dbname={database} user={user}
[pgbouncer]
pool_mode = transaction
default_pool_size = 1
listen_addr =
listen_port = {listen}
unix_socket_dir = {folder}
unix_socket_mode = 0700
auth_type = any
logfile = {folder}/log
"""


class Pooler:
    """Runs from with to its end."""

    def __init__(self, user):
        self.user = user

    def __enter__(self):
        program = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if not program:
            sys.exit("demo: pgbouncer is not installed; install the packages listed in demo/packages")
        with connect() as server:
            host, port = server.info.host, server.info.port
        # a socket's path is limited to 107 bytes
        place = tempfile.gettempdir()
        self.folder = tempfile.mkdtemp(prefix="credit_demo-", dir=place if len(place) < 60 else "/tmp")
        settings = Path(self.folder, "pgbouncer.ini")
        settings.write_text(SETTINGS.format(database=DATABASE, host=host, port=port, user=self.user, listen=PORT,
                                            folder=self.folder))
        with open(Path(self.folder, "log"), "a", encoding="utf-8") as log:
            self.process = subprocess.Popen([program, "-q", settings], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait(self):
        """Until it serves; a minute is much more than it needs."""
        end = time.monotonic() + 60
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError as e:
                if self.process.poll() is not None or time.monotonic() > end:
                    # its last words
                    said = Path(self.folder, "log").read_text(encoding="utf-8").strip() or str(e).strip()
                    sys.exit(f"demo: pgbouncer does not serve: {said.splitlines()[-1]}")
            time.sleep(0.02)

    def connect(self):
        """A client of the pool.  Statements are not prepared by name: another
        client could find them on the server's connection."""
        return connect(self.user, host=self.folder, port=PORT, prepare_threshold=None)

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
