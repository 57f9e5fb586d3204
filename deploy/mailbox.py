#!/usr/bin/python3 -B
"""A mailbox for trying Herald out: an SMTP server on a loopback port that stores every mail in a Maildir.

    deploy/mailbox.py --port 1025 --directory .herald/mailbox

No authentication, no TLS, no relaying: a mail to any address lands in the one Maildir, with a `Delivered-To` line for
each recipient above its own header. A mail is complete once its file is in `new/`, which it is before the client gets
its 250. Not synced to the disk: this is a place to look at, not to keep things. Needs python3-aiosmtpd.
"""

import argparse
import asyncio
import itertools
import os
import signal
import socket
import time
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

SIZE_LIMIT = 64 * 1024 * 1024


class Maildir:
    """Stores each accepted mail as one file."""

    def __init__(self, directory: Path):
        self.directory = directory
        self._numbers = itertools.count()
        for name in ("tmp", "new", "cur"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Called by aiosmtpd with a whole mail; the answer goes to the client."""
        head = f"Return-Path: <{envelope.mail_from or ''}>\n"
        head += "".join(f"Delivered-To: {address}\n" for address in envelope.rcpt_tos)
        body = envelope.original_content or b""
        name = f"{time.time_ns()}.{os.getpid()}_{next(self._numbers)}.{socket.gethostname()}"
        try:
            (self.directory / "tmp" / name).write_bytes(
                head.encode("utf-8", "surrogateescape") + body.replace(b"\r\n", b"\n")
            )
            (self.directory / "tmp" / name).rename(self.directory / "new" / name)
        except OSError as error:
            return f"451 4.3.0 The mailbox cannot be written: {error.strerror}"
        return f"250 2.0.0 OK: {name}"


async def serve(port: int, directory: Path) -> None:
    """Serves until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    maildir = Maildir(directory)

    def session() -> SMTP:
        return SMTP(
            maildir, data_size_limit=SIZE_LIMIT, enable_SMTPUTF8=True, hostname="mailbox.localhost", loop=loop
        )

    server = await loop.create_server(session, "127.0.0.1", port, backlog=256)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    print(f"mailbox on 127.0.0.1:{port}, mails in {directory / 'new'}", flush=True)
    await stop.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="An SMTP server that stores every mail in a Maildir.")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--directory", type=Path, required=True, help="the Maildir; made where missing")
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.directory))


if __name__ == "__main__":
    main()
