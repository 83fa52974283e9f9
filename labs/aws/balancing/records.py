"""The access log: one line for each request, with AWS's fields ("Access logs for your Application Load Balancer",
Elastic Load Balancing User Guide).

``aws/load-balancers/access.jsonl`` in the state folder has them as JSON, under AWS's names, with what AWS does not log
besides: the listener's and the rule's ARN, the request id and trace context that the request carried, and where on
loopback the target was.
"""

from __future__ import annotations

import datetime
import json
import logging
import logging.handlers
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FILE = Path("aws", "load-balancers", "access.jsonl")
"""In the state folder."""
BYTES = 5_000_000
"""After which the file is ``access.jsonl.1``, and a new one begins."""
_QUOTED = ("request", "user_agent", "trace_id", "domain_name", "chosen_cert_arn", "actions_executed", "redirect_url",
           "error_reason", "target_port_list", "target_status_code_list", "classification", "classification_reason")
AWS_FIELDS = (
    "type", "time", "elb", "client_port", "target_port", "request_processing_time", "target_processing_time",
    "response_processing_time", "elb_status_code", "target_status_code", "received_bytes", "sent_bytes", "request",
    "user_agent", "ssl_cipher", "ssl_protocol", "target_group_arn", "trace_id", "domain_name", "chosen_cert_arn",
    "matched_rule_priority", "request_creation_time", "actions_executed", "redirect_url", "error_reason",
    "target_port_list", "target_status_code_list", "classification", "classification_reason", "conn_trace_id")
"""In the order of AWS's lines; a colon of AWS's names is an underscore."""


def moment(seconds: float) -> str:
    """``2026-11-26T20:25:22.186641Z``, of seconds since 1970."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="microseconds")[:-6] + "Z"


@dataclass
class Record:
    """One request; times in seconds, -1 where it did not come so far; "-" for what is not there."""

    type: str
    elb: str
    client_port: str
    request: str
    user_agent: str
    domain_name: str
    trace_id: str
    request_creation_time: str
    received_bytes: int = 0
    time: str = ""
    target_port: str = "-"
    request_processing_time: float = -1
    target_processing_time: float = -1
    response_processing_time: float = -1
    elb_status_code: str = "-"
    target_status_code: str = "-"
    sent_bytes: int = 0
    ssl_cipher: str = "-"
    ssl_protocol: str = "-"
    target_group_arn: str = "-"
    chosen_cert_arn: str = "-"
    matched_rule_priority: str = "-"
    actions_executed: str = "-"
    redirect_url: str = "-"
    error_reason: str = "-"
    target_port_list: str = "-"
    target_status_code_list: str = "-"
    classification: str = "-"
    classification_reason: str = "-"
    conn_trace_id: str = "-"
    load_balancer_arn: str = ""
    listener_arn: str = ""
    listener_port: int = 0
    rule_arn: str = ""
    target_end: str = ""
    request_id: str = ""
    traceparent: str = ""
    method: str = ""
    path: str = ""

    def line(self) -> str:
        """As AWS writes it."""
        said = asdict(self)
        return " ".join(f'"{said[name]}"' if name in _QUOTED else _shown(said[name]) for name in AWS_FIELDS)


def _shown(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


class AccessLog:
    """Writes records to the state folder's file."""

    def __init__(self, home: Path) -> None:
        file = home / FILE
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._handler = logging.handlers.RotatingFileHandler(file, maxBytes=BYTES, backupCount=1, encoding="utf-8")

    def write(self, record: Record) -> None:
        """Add a line."""
        self._handler.emit(logging.LogRecord("access", logging.INFO, "", 0, json.dumps(asdict(record)), None, None))

    def close(self) -> None:
        """Close the file."""
        self._handler.close()
