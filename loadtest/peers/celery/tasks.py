"""What a team would write instead of Herald: a Celery task that posts one message and writes down that it did."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time
from typing import Any, Dict, Optional

import psycopg
import urllib3
from celery import Celery

app = Celery("peer", broker=os.environ["AMQP_URL"])
app.conf.update(
    task_acks_late=True,  # a worker that dies loses nothing
    task_reject_on_worker_lost=True,
    task_ignore_result=True,  # the result is the row's status, no second store
    task_default_delivery_mode="persistent",
    broker_transport_options={"confirm_publish": True},  # accepted means that the broker has it
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=4,
    worker_send_task_events=False,
)

SELECT = "SELECT url, title, body FROM message WHERE id = %s AND status = 0"
UPDATE = "UPDATE message SET status = %s, finished_at = now() WHERE id = %s"
KEY = base64.b64decode(os.environ["PEER_SIGNING_KEY"].removeprefix("whsec_"))
HTTP = urllib3.PoolManager(maxsize=1)
_database: Optional[psycopg.Connection[Any]] = None


def database() -> psycopg.Connection[Any]:
    """One connection a worker process; each statement commits by itself, as one UPDATE should."""
    global _database
    if _database is None or _database.closed:
        _database = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=1)
    return _database


@app.task(bind=True, max_retries=8)
def deliver(task: Any, message_id: int) -> None:
    """Posts one message, signed per Standard Webhooks, and records the outcome."""
    row = database().execute(SELECT, (message_id,)).fetchone()
    if row is None:
        return  # redelivered after its outcome was recorded
    url, title, text = row
    body = json.dumps({"id": str(message_id), "title": title, "text": text}).encode()
    try:
        status = HTTP.request("POST", url, body=body, headers=_headers(message_id, body), timeout=10).status
    except urllib3.exceptions.HTTPError as error:
        raise task.retry(exc=error, countdown=2**task.request.retries)
    if status == 429 or status >= 500:
        raise task.retry(countdown=2**task.request.retries)
    database().execute(UPDATE, (1 if status < 300 else 2, message_id))


def _headers(message_id: int, body: bytes) -> Dict[str, str]:
    now = str(int(time.time()))
    signed = hmac.new(KEY, f"{message_id}.{now}.".encode() + body, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "webhook-id": str(message_id),
        "webhook-timestamp": now,
        "webhook-signature": "v1," + base64.b64encode(signed).decode(),
    }
