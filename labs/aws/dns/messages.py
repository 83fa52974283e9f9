"""Questions and answers between bytes, dnslib's messages and this package's steps."""

from __future__ import annotations

import random
import struct

import dnslib

from labs.aws.dns.cache import Step
from labs.aws.dns.resolver import Answer, View
from labs.aws.dns.zones import plain

BROKEN = (dnslib.DNSError, ValueError, struct.error, IndexError)
"""What dnslib raises for bytes that are no message."""


def asked(data: bytes) -> dnslib.DNSRecord | None:
    """The question in a message, None for what is none; raises one of BROKEN."""
    question = dnslib.DNSRecord.parse(data)
    return None if question.header.qr or not question.questions else question


def name_and_kind(question: dnslib.DNSRecord) -> tuple[str, str]:
    """``("shop.example.com", "A")``; a type that dnslib does not know is ``TYPE…``."""
    return plain(question.q.qname), str(dnslib.QTYPE.get(question.q.qtype, f"TYPE{question.q.qtype}"))


def written(question: dnslib.DNSRecord, answer: Answer, view: View, chance: random.Random) -> dnslib.DNSRecord:
    """The message that says so; several values in an order that changes ("Simple routing")."""
    last = answer.last
    authoritative = not view.recursive and last.referral is None and last.status != "REFUSED"
    reply = question.reply(ra=int(view.recursive), aa=int(authoritative))
    reply.header.ad = 0     # nothing is signed, whatever the client would like to know
    reply.header.rcode = getattr(dnslib.RCODE, last.status)
    for step in answer.steps:
        for value in chance.sample(step.values, len(step.values)):
            reply.add_answer(record(step.name, step.kind, step.ttl, value))
    if last.soa is not None:
        apex, ttl, value = last.soa
        reply.add_auth(record(apex, "SOA", ttl, value))
    if last.referral is not None:
        for server in last.referral[1]:
            reply.add_auth(record(last.referral[0], "NS", 172800, server))
    return reply


def record(name: str, kind: str, ttl: int, value: str) -> dnslib.RR:
    """A record of a zone file's text."""
    made: dnslib.RR = dnslib.RR.fromZone(f"{name}. {ttl} IN {kind} {value}")[0]
    return made


def failure(question: dnslib.DNSRecord) -> dnslib.DNSRecord:
    """SERVFAIL."""
    reply = question.reply(ra=1)
    reply.header.rcode = dnslib.RCODE.SERVFAIL
    return reply


def steps(reply: dnslib.DNSRecord, name: str, reason: str) -> tuple[Step, ...]:
    """Another server's answer as steps: an RRset each, in the order of its records."""
    status = str(dnslib.RCODE.get(reply.header.rcode, "SERVFAIL"))
    why = {"reason": reason}
    sets: dict[tuple[str, str], list[dnslib.RR]] = {}
    for each in reply.rr:
        sets.setdefault((plain(each.rname), str(dnslib.QTYPE.get(each.rtype))), []).append(each)
    found = [Step(owner, "NOERROR", kind, min(each.ttl for each in rows), tuple(each.rdata.toZone() for each in rows),
                  why=why) for (owner, kind), rows in sets.items()]  # fmt: skip
    if found and status == "NOERROR":
        return tuple(found)
    soa = next((each for each in reply.auth if each.rtype == dnslib.QTYPE.SOA), None)
    if soa is None:
        return (*found, Step(plain(name), status, why=why))
    text = soa.rdata.toZone().replace("(", "").replace(")", "")
    ttl = min(soa.ttl, int(text.split()[-1]))
    return (*found, Step(plain(name), status, ttl=ttl, soa=(plain(soa.rname), ttl, text), why=why))
