"""AWS Certificate Manager: requested, imported and re-imported certificates, with real X.509 inside.

A requested certificate is issued by a certificate authority of this process once its validation records stand in a
Route 53 public zone of the account (asked at each description), or at once where it is validated by e-mail after
``ResendValidationEmail``.  Imported ones are read and checked against their key, and never renewed.  Left out: export
of private keys, private certificate authorities, transparency logs.

Pages: "AWS Certificate Manager API Reference"; "Prerequisites for importing certificates", "Reimport a certificate",
"AWS Certificate Manager DNS validation" (ACM User Guide).  Public certificates are valid 198 days (2026).
"""

from __future__ import annotations

import base64
import datetime
import functools
import hashlib
import itertools
import re
import uuid
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from labs.aws.engines.own import Neighbours
from labs.aws.engines.own.operations import Operations
from labs.aws.gateway.calls import AwsError

VALIDITY = datetime.timedelta(days=198)
_DOMAIN = re.compile(r"(\*\.)?(((?!-)[A-Za-z0-9-]{0,62}[A-Za-z0-9])\.)+((?!-)[A-Za-z0-9-]{1,62}[A-Za-z0-9])")
_PAGE = 1000


def _invalid(text: str) -> AwsError:
    return AwsError("ValidationException", text, 400)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Acm(Operations):
    """The service: certificates by account and region, in the order of their creation."""

    def __init__(self) -> None:
        self._certificates: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        self._tokens: dict[tuple[str, str, str], tuple[str, dict[str, Any]]] = {}

    def reset(self) -> None:
        """Forget every certificate."""
        self._certificates.clear()
        _keys.clear()
        self._tokens.clear()

    def _mine(self, neighbours: Neighbours) -> dict[str, dict[str, Any]]:
        return self._certificates.setdefault((neighbours.account, neighbours.region), {})

    def _found(self, params: Mapping[str, Any], neighbours: Neighbours) -> dict[str, Any]:
        arn = str(params.get("CertificateArn", ""))
        if not re.fullmatch(r"arn:[\w+=/,.@-]+:acm:[\w+=/,.@-]*:[0-9]+:[\w+=,.@-]+(/[\w+=,.@-]+)*", arn):
            raise _invalid(f"Invalid certificate ARN: {arn}")
        record = self._mine(neighbours).get(arn)
        if record is None:
            raise AwsError(
                "ResourceNotFoundException",
                f"Could not find certificate {arn} in account {neighbours.account}.",
                400,
            )
        return record

    # -- requesting ----------------------------------------------------------------------------------------------------

    async def _do_request_certificate(self, params: dict[str, Any], neighbours: Neighbours) -> dict[str, Any]:
        names = list(dict.fromkeys([params.get("DomainName", ""), *(params.get("SubjectAlternativeNames") or [])]))
        for name in names:
            if not _DOMAIN.fullmatch(str(name)) or len(str(name)) > 253:
                raise _invalid(
                    f"1 validation error detected: Value '{name}' at 'domainName' failed to satisfy constraint"
                )
        given = {key: value for key, value in params.items() if key != "Tags"}
        token = (neighbours.account, neighbours.region, str(params.get("IdempotencyToken") or uuid.uuid4()))
        if self._tokens.get(token, ("", {}))[1] == given:
            return {"CertificateArn": self._tokens[token][0]}
        arn = _arn(neighbours)
        method = str(params.get("ValidationMethod") or "EMAIL")
        self._mine(neighbours)[arn] = {
            "CertificateArn": arn,
            "DomainName": names[0],
            "SubjectAlternativeNames": names,
            "Type": "AMAZON_ISSUED",
            "Status": "PENDING_VALIDATION",
            "KeyAlgorithm": {"EC_prime256v1": "EC-prime256v1"}.get(
                str(params.get("KeyAlgorithm")), str(params.get("KeyAlgorithm") or "RSA-2048").replace("_", "-")
            ),
            "SignatureAlgorithm": "SHA256WITHRSA",
            "RenewalEligibility": "INELIGIBLE",
            "Options": {"CertificateTransparencyLoggingPreference": "ENABLED", **(params.get("Options") or {})},
            "CreatedAt": _now(),
            "DomainValidationOptions": [_option(name, method, neighbours.account) for name in names],
            "Tags": _tags(params.get("Tags")),
        }
        self._tokens[token] = (arn, given)
        return {"CertificateArn": arn}

    async def _validate(self, record: dict[str, Any], neighbours: Neighbours) -> None:
        """Issue a certificate whose every name is proved by its CNAME in a public zone."""
        if record["Status"] != "PENDING_VALIDATION":
            return
        waiting = [o for o in record["DomainValidationOptions"] if o["ValidationStatus"] != "SUCCESS"]
        if any(option["ValidationMethod"] == "DNS" for option in waiting):
            present = await _records(neighbours)
            for option in waiting:
                wanted = option.get("ResourceRecord") or {}
                if present.get(str(wanted.get("Name", "")).lower()) == str(wanted.get("Value")).rstrip("."):
                    option["ValidationStatus"] = "SUCCESS"
        if all(option["ValidationStatus"] == "SUCCESS" for option in record["DomainValidationOptions"]):
            _issue(record)

    async def _do_resend_validation_email(self, params: dict[str, Any], neighbours: Neighbours) -> dict[str, Any]:
        record = self._found(params, neighbours)
        if (
            record["Status"] != "PENDING_VALIDATION"
            or record["DomainValidationOptions"][0]["ValidationMethod"] != "EMAIL"
        ):
            raise AwsError("InvalidStateException", "The certificate is not pending validation by e-mail.", 400)
        for option in record["DomainValidationOptions"]:
            option["ValidationStatus"] = "SUCCESS"
        _issue(record)
        return {}

    # -- importing -----------------------------------------------------------------------------------------------------

    async def _do_import_certificate(self, params: dict[str, Any], neighbours: Neighbours) -> dict[str, Any]:
        existing = self._found(params, neighbours) if params.get("CertificateArn") else None
        if existing and existing["Type"] != "IMPORTED":
            raise _invalid("Only imported certificates can be reimported: " + existing["CertificateArn"])
        if existing and params.get("Tags"):
            raise _invalid("Tagging is not permitted on re-import.")
        certificate = _read(_bytes(params.get("Certificate")), "certificate")
        _same_key(certificate, _bytes(params.get("PrivateKey")))
        chain = _bytes(params.get("CertificateChain"))
        _vouched(certificate, chain)
        if not certificate.not_valid_before_utc <= _now() <= certificate.not_valid_after_utc:
            raise _invalid("The certificate is not in its validity period.")
        facts = _facts(certificate)
        if existing:
            _replaceable(existing, facts)
        arn = existing["CertificateArn"] if existing else _arn(neighbours)
        record = {
            **(existing or {"CertificateArn": arn, "CreatedAt": _now(), "Tags": _tags(params.get("Tags"))}),
            **facts,
            "Type": "IMPORTED",
            "Status": "ISSUED",
            "ImportedAt": _now(),
            "RenewalEligibility": "INELIGIBLE",
            "Options": {"CertificateTransparencyLoggingPreference": "DISABLED"},
            "Pem": _bytes(params.get("Certificate")).decode(),
            "Chain": chain.decode(),
        }
        self._mine(neighbours)[arn] = record
        _keys[arn] = _bytes(params.get("PrivateKey")).decode()
        return {"CertificateArn": arn}

    # -- reading -------------------------------------------------------------------------------------------------------

    async def _do_describe_certificate(self, params: dict[str, Any], neighbours: Neighbours) -> dict[str, Any]:
        record = self._found(params, neighbours)
        await self._validate(record, neighbours)
        if record["Status"] == "ISSUED" and record["NotAfter"] < _now():
            record["Status"] = "EXPIRED"
        shown = {key: value for key, value in record.items() if key not in ("Pem", "Chain", "Tags")}
        shown["InUseBy"] = await _users(record["CertificateArn"], neighbours)
        if record["Type"] == "AMAZON_ISSUED" and record["Status"] == "ISSUED" and shown["InUseBy"]:
            shown["RenewalEligibility"] = "ELIGIBLE"
        return {"Certificate": shown}

    async def _do_get_certificate(self, params: dict[str, Any], neighbours: Neighbours) -> dict[str, Any]:
        record = self._found(params, neighbours)
        await self._validate(record, neighbours)
        if record["Status"] == "PENDING_VALIDATION":
            raise AwsError("RequestInProgressException", "The certificate request is in progress.", 400)
        answer = {"Certificate": record["Pem"]}
        return {**answer, "CertificateChain": record["Chain"]} if record.get("Chain") else answer

    async def _do_list_certificates(self, params: dict[str, Any], neighbours: Neighbours) -> dict[str, Any]:
        wanted = params.get("CertificateStatuses") or []
        types = (params.get("Includes") or {}).get("keyTypes") or []
        entries = []
        for record in self._mine(neighbours).values():
            await self._validate(record, neighbours)
            kind = record["KeyAlgorithm"].replace("-", "_")
            if (wanted and record["Status"] not in wanted) or (types and kind not in types):
                continue
            names = ("CertificateArn", "DomainName", "Status", "Type", "RenewalEligibility", "CreatedAt", "IssuedAt",
                     "ImportedAt", "NotBefore", "NotAfter")  # fmt: skip
            entry = {name: record[name] for name in names if name in record}
            entry.update(
                KeyAlgorithm=record["KeyAlgorithm"],
                SubjectAlternativeNameSummaries=record["SubjectAlternativeNames"],
                InUse=bool(await _users(record["CertificateArn"], neighbours)),
            )
            entries.append(entry)
        start = int(base64.urlsafe_b64decode(str(params["NextToken"])) if params.get("NextToken") else 0)
        stop = start + int(params.get("MaxItems") or _PAGE)
        answer: dict[str, Any] = {"CertificateSummaryList": entries[start:stop]}
        if stop < len(entries):
            answer["NextToken"] = base64.urlsafe_b64encode(str(stop).encode()).decode()
        return answer

    # -- changing ------------------------------------------------------------------------------------------------------

    async def _do_delete_certificate(self, params: dict[str, Any], neighbours: Neighbours) -> dict[str, Any]:
        record = self._found(params, neighbours)
        users = await _users(record["CertificateArn"], neighbours)
        if users:
            raise AwsError("ResourceInUseException", f"Certificate {record['CertificateArn']} is in use.", 400)
        del self._mine(neighbours)[record["CertificateArn"]]
        return {}

    async def _do_update_certificate_options(self, params: dict[str, Any], neighbours: Neighbours) -> dict[str, Any]:
        record = self._found(params, neighbours)
        if record["Type"] == "IMPORTED":
            raise _invalid("Options of an imported certificate cannot be updated.")
        record["Options"].update(params.get("Options") or {})
        return {}

    async def _do_renew_certificate(self, params: dict[str, Any], neighbours: Neighbours) -> dict[str, Any]:
        record = self._found(params, neighbours)
        if record["Type"] == "IMPORTED" or record["Status"] != "ISSUED":
            raise _invalid("The certificate is not eligible for renewal.")
        _issue(record)
        return {}

    async def _do_list_tags_for_certificate(self, params: dict[str, Any], neighbours: Neighbours) -> dict[str, Any]:
        tags = self._found(params, neighbours)["Tags"]
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    async def _do_add_tags_to_certificate(self, params: dict[str, Any], neighbours: Neighbours) -> dict[str, Any]:
        record = self._found(params, neighbours)
        tags = {**record["Tags"], **_tags(params.get("Tags"))}
        if len(tags) > 50:
            raise AwsError("TooManyTagsException", "A certificate can have up to 50 tags.", 400)
        record["Tags"] = tags
        return {}

    async def _do_remove_tags_from_certificate(self, params: dict[str, Any], neighbours: Neighbours) -> dict[str, Any]:
        """ "If you specify a tag key with an empty value, the tag is only removed if it has that value"."""
        tags = self._found(params, neighbours)["Tags"]
        for tag in params.get("Tags") or []:
            if "Value" not in tag or tags.get(tag["Key"]) == tag["Value"]:
                tags.pop(tag["Key"], None)
        return {}


# -- records -----------------------------------------------------------------------------------------------------------


_keys: dict[str, str] = {}


def private_key(arn: str) -> str | None:
    """A certificate's key in PEM, for services integrated with ACM, which get it as no API call does; None: no such
    certificate, or it is not issued yet."""
    return _keys.get(arn)


def _arn(neighbours: Neighbours) -> str:
    return f"arn:aws:acm:{neighbours.region}:{neighbours.account}:certificate/{uuid.uuid4()}"


def _tags(given: Any) -> dict[str, str]:
    for tag in given or []:
        if str(tag.get("Key", "")).lower().startswith("aws:"):
            raise AwsError("InvalidTagException", "Tag keys starting with aws: are reserved.", 400)
    return {str(tag["Key"]): str(tag.get("Value") or "") for tag in given or []}


def _option(name: str, method: str, account: str) -> dict[str, Any]:
    """How one name is proved: the same CNAME for the same name and account, whatever the certificate."""
    option: dict[str, Any] = {
        "DomainName": name,
        "ValidationDomain": name,
        "ValidationStatus": "PENDING_VALIDATION",
        "ValidationMethod": method,
    }
    bare = name.removeprefix("*.")
    if method == "DNS":
        mark = hashlib.sha256(f"{account}/{bare}".encode()).hexdigest()
        option["ResourceRecord"] = {
            "Name": f"_{mark[:32]}.{bare}.",
            "Type": "CNAME",
            "Value": f"_{mark[32:]}.jkddzztszm.acm-validations.aws.",
        }
    else:
        option["ValidationEmails"] = [f"{user}@{bare}" for user in ("admin", "administrator", "hostmaster")]
    return option


async def _records(neighbours: Neighbours) -> dict[str, str]:
    """CNAMEs of the account's public zones: name → value without the last dot."""
    found = {}
    for zone in (await neighbours.ask("route53", "ListHostedZones")).get("HostedZones") or []:
        if (zone.get("Config") or {}).get("PrivateZone"):
            continue
        answer = await neighbours.ask("route53", "ListResourceRecordSets", HostedZoneId=zone["Id"].rpartition("/")[2])
        for record in answer.get("ResourceRecordSets") or []:
            for value in record.get("ResourceRecords") or [] if record["Type"] == "CNAME" else []:
                found[record["Name"].lower()] = str(value["Value"]).rstrip(".")
    return found


async def _users(arn: str, neighbours: Neighbours) -> list[str]:
    """ARNs of the load balancers with a listener that serves the certificate."""
    users = []
    for balancer in (await neighbours.ask("elbv2", "DescribeLoadBalancers")).get("LoadBalancers") or []:
        where = {"LoadBalancerArn": balancer["LoadBalancerArn"]}
        listeners = (await neighbours.ask("elbv2", "DescribeListeners", **where)).get("Listeners") or []
        if any(arn == c.get("CertificateArn") for listener in listeners for c in listener.get("Certificates") or []):
            users.append(balancer["LoadBalancerArn"])
    return users


# -- X.509 -------------------------------------------------------------------------------------------------------------


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value or "").encode()


def _read(pem: bytes, what: str) -> x509.Certificate:
    found = _read_all(pem, what)
    if len(found) > 1:
        raise _invalid(f"The {what} field contains more than one certificate. You can specify only one certificate in "
                       "this field.")  # fmt: skip
    return found[0]


def _read_all(pem: bytes, what: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise _invalid(f"The {what} body/chain provided is not in a valid PEM format") from error


def _vouched(certificate: x509.Certificate, chain: bytes) -> None:
    """Each certificate of the chain certifies the one before it; only a self-signed one may do without a chain.

    "Certificate import problems" and ImportCertificate (ACM); the first message is AWS's.
    """
    issuers = _read_all(chain, "certificate chain") if chain else []
    if not issuers and certificate.issuer != certificate.subject:
        raise _invalid("Provided certificate is not a valid self signed. Please provide either a valid self-signed "
                       "certificate or certificate chain.")  # fmt: skip
    for each, issuer in itertools.pairwise([certificate, *issuers]):
        try:
            each.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise _invalid("Could not validate the certificate with the certificate chain.") from error


def _replaceable(existing: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """The conditions of "Reimport a certificate" (ACM User Guide)."""
    if facts["KeyAlgorithm"] != existing["KeyAlgorithm"]:
        raise _invalid(f"The key type and size cannot be changed: {existing['KeyAlgorithm']}, {facts['KeyAlgorithm']}.")
    if facts["SubjectAlternativeNames"] == [""]:
        raise _invalid("All domain names cannot be removed from a certificate.")
    may_go = {"KeyUsages": {"KEY_ENCIPHERMENT"} if facts["KeyAlgorithm"].startswith("EC") else set(),
              "ExtendedKeyUsages": {"TLS_WEB_CLIENT_AUTHENTICATION"}}  # fmt: skip
    for member, free in may_go.items():
        gone = _names_of(existing[member]) - _names_of(facts[member]) - free
        if gone:
            raise _invalid(f"{member} of the imported certificate cannot be removed: {', '.join(sorted(gone))}.")


def _names_of(usages: Any) -> set[str]:
    return {str(each["Name"]) for each in usages}


def _same_key(certificate: x509.Certificate, pem: bytes) -> None:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise _invalid("The private key is not supported.") from error
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise _invalid("The certificate and the private key provided do not match.")


def _alternative_names(certificate: x509.Certificate) -> list[str]:
    """The common name first, then the other DNS names."""
    common = [str(part.value) for part in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = extension.value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        names = []
    return list(dict.fromkeys([*common, *names])) or [""]


def _facts(certificate: x509.Certificate) -> dict[str, Any]:
    """The members of CertificateDetail that stand in the certificate itself."""
    names = _alternative_names(certificate)
    key = certificate.public_key()
    size = getattr(key, "key_size", 0)
    serial = f"{certificate.serial_number:x}"
    serial = serial.zfill(len(serial) + len(serial) % 2)
    issuer = certificate.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return {
        "DomainName": names[0],
        "SubjectAlternativeNames": names,
        "Serial": ":".join(serial[at : at + 2] for at in range(0, len(serial), 2)),
        "Subject": certificate.subject.rfc4514_string(),
        "Issuer": str(issuer[0].value) if issuer else "",
        "NotBefore": certificate.not_valid_before_utc,
        "NotAfter": certificate.not_valid_after_utc,
        "KeyAlgorithm": f"RSA-{size}"
        if isinstance(key, rsa.RSAPublicKey)
        else f"EC-{'prime256v1' if size == 256 else f'secp{size}r1'}",
        "SignatureAlgorithm": "SHA256WITHRSA" if isinstance(key, rsa.RSAPublicKey) else "SHA256WITHECDSA",
        "KeyUsages": _key_usages(certificate),
        "ExtendedKeyUsages": _extended_key_usages(certificate),
    }


_USAGES = ("digital_signature", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")
_AWS_USAGES = {"key_cert_sign": "CERTIFICATE_SIGNING", "crl_sign": "CRL_SIGNING"}
_PURPOSES = {"1.3.6.1.5.5.7.3.1": "TLS_WEB_SERVER_AUTHENTICATION", "1.3.6.1.5.5.7.3.2": "TLS_WEB_CLIENT_AUTHENTICATION",
             "1.3.6.1.5.5.7.3.3": "CODE_SIGNING", "1.3.6.1.5.5.7.3.4": "EMAIL_PROTECTION"}  # fmt: skip


def _key_usages(certificate: x509.Certificate) -> list[dict[str, str]]:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return []
    return [{"Name": _AWS_USAGES.get(name, name.upper())} for name in _USAGES if getattr(usage, name)]


def _extended_key_usages(certificate: x509.Certificate) -> list[dict[str, str]]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return []
    oids = [each.dotted_string for each in found]
    return [{"Name": _PURPOSES.get(oid, "CUSTOM"), "OID": oid} for oid in oids]


@functools.cache
def _authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """This process's certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Amazon"),
                      x509.NameAttribute(x509.NameOID.COMMON_NAME, "Amazon RSA 2048 M02")])  # fmt: skip
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - datetime.timedelta(days=1))
        .not_valid_after(_now() + datetime.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made, key


_SERVER_USAGE = x509.KeyUsage(
    digital_signature=True, key_encipherment=True, content_commitment=False, data_encipherment=False,
    key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False)  # fmt: skip


def _issue(record: dict[str, Any]) -> None:
    """Sign a certificate for the record's names; the algorithm stays the one that was asked for."""
    authority, authority_key = _authority()
    key = ec.generate_private_key(ec.SECP256R1())
    now = _now().replace(hour=0, minute=0, second=0, microsecond=0)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, record["DomainName"][:64])]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + VALIDITY)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in record["SubjectAlternativeNames"]]),
            critical=False,
        )
        .add_extension(_SERVER_USAGE, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    asked = {
        name: record[name] for name in ("SubjectAlternativeNames", "KeyAlgorithm", "SignatureAlgorithm", "DomainName")
    }
    record.update({**_facts(made), **asked, "Issuer": "Amazon", "Status": "ISSUED", "IssuedAt": _now()})
    _keys[record["CertificateArn"]] = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    record["Pem"] = made.public_bytes(serialization.Encoding.PEM).decode()
    record["Chain"] = authority.public_bytes(serialization.Encoding.PEM).decode()


SERVICE = Acm
