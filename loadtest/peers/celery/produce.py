"""Accepts messages as a service would: a synced INSERT, then the task to the broker, confirmed. Without HTTP, which
favours this program: what it does is the best such a service could do.

    produce.py COUNT URL THREADS
"""

from __future__ import annotations

import os
import sys
import threading

import psycopg
from tasks import app, deliver

INSERT = "INSERT INTO message (url, title, body) VALUES (%s, %s, %s) RETURNING id"
TEXT = "No water from 14:00 to 16:00 today. " * 8


def main() -> None:
    count, url, threads = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    shares = [count // threads + (1 if n < count % threads else 0) for n in range(threads)]
    workers = [threading.Thread(target=accept, args=(share, url)) for share in shares]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def accept(count: int, url: str) -> None:
    """One client's messages, one after the other, each its own commit."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=1) as database:
        with app.producer_pool.acquire(block=True) as producer:
            for number in range(count):
                row = database.execute(INSERT, (url, f"single {number}", TEXT)).fetchone()
                assert row is not None, "INSERT returns a row"
                deliver.apply_async((row[0],), producer=producer)


if __name__ == "__main__":
    main()
