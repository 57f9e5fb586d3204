"""Shows the newest mail of the local mailbox, decoded (`make mail`)."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

from .console import Console, Problem

HEADERS = ("Delivered-To", "From", "To", "Subject", "Date", "Message-ID")


def show_newest(directory: Path, console: Console) -> None:
    """Prints the newest mail and where its file is."""
    mails = [path for folder in ("new", "cur") for path in (directory / folder).glob("*")]
    if not mails:
        raise Problem(
            f"There is no mail in {directory} yet.", "Send one with the curl that `make run` printed."
        )
    newest = max(mails, key=lambda path: path.stat().st_mtime_ns)
    with open(newest, "rb") as file:
        message = email.message_from_binary_file(file, policy=email.policy.default)
    console.say(f"{len(mails)} mail(s); the newest: {newest}\n")
    for name in HEADERS:
        for value in message.get_all(name, []):
            console.say(f"{name}: {value}")
    for part in message.walk():
        console.say(_part(part))


def _part(part: EmailMessage) -> str:
    if part.is_multipart():
        return f"\n[{part.get_content_type()}]"
    if part.get_content_maintype() != "text":
        return f"\n[{part.get_content_type()}, {len(part.get_payload(decode=True) or b'')} bytes]"
    return f"\n[{part.get_content_type()}]\n{part.get_content().rstrip()}"
