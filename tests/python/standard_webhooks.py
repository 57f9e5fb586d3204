"""Has the reference library of Standard Webhooks judge recorded calls.

A line of standard input is a call: {"secret", "headers", "body"}. Prints how many it takes, and how many it refuses once they
were touched: another body, another secret.
"""

from __future__ import annotations

import base64
import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


def takes(secret: str, body: str, headers: dict) -> bool:
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


taken = refused = 0
for line in sys.stdin:
    call = json.loads(line)
    secret, body, headers = call["secret"], call["body"], call["headers"]
    other = "whsec_" + base64.b64encode(b"another secret of thirty-two by.").decode()
    taken += takes(secret, body, headers)
    refused += not takes(secret, body.replace('"type"', '"tipe"', 1), headers)
    refused += not takes(other, body, headers)
print(f"{taken} taken, {refused} refused")
