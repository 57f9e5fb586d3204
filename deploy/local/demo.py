"""The demo tenant: its key, its accounts, and the command that sends its first message."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Dict, Optional

from .console import Problem
from .instance import Instance
from .processes import API, DIRECT, Processes, Where

TENANT = "demo"
MAIL, INBOX, WEBHOOK = "demo-mail", "demo-inbox", "demo-webhook"
MESSAGE = {
    "title": "三号楼停水通知 Water is off in Building 3",
    "content": {
        "text": "{{ name }}，您好：今天 14:00 至 16:00 停水。\n"
        "Hello {{ name }}, no water from 14:00 to 16:00 today.",
        "html": "<p>{{ name }}，您好：今天 <b>14:00 至 16:00</b> 停水。</p>"
        "<p>Hello {{ name }}, no water from <b>14:00 to 16:00</b> today.</p>",
    },
    "recipients": [{"key": "E1001", "name": "李雷 Li Lei", "email": "lilei@example.org"}],
}


class Refused(Problem):
    """The API's answer was an error."""

    def __init__(self, request: str, error: urllib.error.HTTPError, log: Path):
        said = error.read().decode("utf-8", "replace")
        super().__init__(f"The API answered {request} with {error.code}: {said}", "", log)
        self.status = error.code


class Demo:
    """Talks to the API as the demo tenant."""

    def __init__(self, instance: Instance, processes: Processes, where: Where):
        self.instance, self.processes, self.where = instance, processes, where
        self.key = ""

    def prepare(self, mailbox_port: int) -> None:
        """Sees to it that there is a tenant whose key we know, with an account for each channel."""
        if not self._knows_key():
            self.key = self._new_key()
        accounts = {
            account["name"]: account for account in self._call("GET", "/v1/accounts?limit=500")["items"]
        }
        self._mail(accounts.get(MAIL), mailbox_port)
        if INBOX not in accounts:
            self._create({"name": INBOX, "channel": "inbox", "provider": "inbox", "settings": {}})
        if WEBHOOK not in accounts:
            secret = {"signing_key": self.webhook_key()}
            settings = {"timeout_ms": 10000}
            account = {"name": WEBHOOK, "channel": "webhook", "provider": "webhook"}
            self._create({**account, "settings": settings, "secret": secret})

    def webhook_key(self) -> str:
        """What receivers of the demo's webhooks verify signatures with."""
        return str(self.instance.remember("webhook_key", _new_webhook_key))

    def curl(self, path: str, body: Optional[Dict[str, Any]] = None) -> str:
        """A command line for the terminal."""
        url = self.processes.url(API) + path
        lines = [f"curl -sS -w '\\n' '{url}'", f"-H 'Authorization: Bearer {self.key}'"]
        if urllib.request.getproxies().get("http"):
            lines.insert(1, "--noproxy '*'")
        if body is not None:
            lines += [
                "-H 'Content-Type: application/json'",
                f"-d '{json.dumps(body, ensure_ascii=False, indent=2)}'",
            ]
        return " \\\n  ".join(lines)

    def _mail(self, account: Optional[Dict[str, Any]], port: int) -> None:
        settings = {
            "host": "127.0.0.1",
            "port": port,
            "tls": "none",
            "from": "Herald Demo <herald@example.org>",
        }
        if account is None:
            self._create({"name": MAIL, "channel": "email", "provider": "smtp", "settings": settings})
        elif account["settings"].get("port") != port:
            self._call("PATCH", f"/v1/accounts/{account['id']}", {"settings": settings})

    def _create(self, account: Dict[str, Any]) -> None:
        self._call("POST", "/v1/accounts", account)

    def _knows_key(self) -> bool:
        """Whether there is a key of an earlier run that the API still takes."""
        self.key = self.instance.state.get("keys", {}).get(self._database(), "")
        try:
            self._call("GET", "/v1/accounts?limit=1")
        except Refused as refused:
            if refused.status != 401:
                raise
            return False
        return True

    def _new_key(self) -> str:
        """The first key of the demo tenant, or one more: those made earlier are nowhere to be had in clear."""
        answer = self.processes.admin(self.where, "tenant", "create", TENANT, "--if-missing")
        key = str(json.loads(answer)["key"])
        self.instance.state.setdefault("keys", {})[self._database()] = key
        self.instance.save()
        return key

    def _database(self) -> str:
        """Keys belong to a database: the private one, whose port may change, or one the user has named."""
        if self.where.private:
            return "private"
        return hashlib.sha256(self.where.database_url.rpartition("@")[2].encode()).hexdigest()[:16]

    def _call(self, method: str, path: str, body: Optional[Dict[str, Any]] = None) -> Any:
        request = urllib.request.Request(self.processes.url(API) + path, method=method)
        request.add_header("Authorization", f"Bearer {self.key}")
        data = None
        if body is not None:
            request.add_header("Content-Type", "application/json")
            data = json.dumps(body).encode()
        try:
            with DIRECT.open(request, data, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Refused(f"{method} {path}", error, self.instance.log("api")) from error
        except OSError as error:
            what = f"The API does not answer {method} {path}: {error}"
            raise Problem(what, "", self.instance.log("api")) from error


def _new_webhook_key() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
