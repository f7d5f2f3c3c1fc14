"""Certificates made for a test, and a service under test that speaks TLS."""
import contextlib
import datetime
import http.client
import ipaddress
import socket
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from service import PATIENCE_S, Answer, Service

DAY = datetime.timedelta(days=1)
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


class Authority:
    """Issues certificates into a folder: NAME.pem and NAME.key"""

    def __init__(self, folder, name="authority"):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        today = datetime.datetime.utcnow()
        builder = self._builder(self.name, self.key, today - DAY, today + DAY)
        self.certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True).sign(self.key, hashes.SHA256())
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject, key, begin, end):
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end))

    def issue(self, name, purpose=SERVER, begin=-DAY, end=DAY, common_name=None):
        """The paths of certificate and key; what was there under this name is written over."""
        key, today = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.utcnow()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name or name)])
        names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate = (self._builder(subject, key, today + begin, today + end).add_extension(names, False)
                       .add_extension(x509.ExtendedKeyUsage([purpose]), False).sign(self.key, hashes.SHA256()))
        pem, secret = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        secret.touch(mode=0o600)
        secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                             serialization.NoEncryption()))
        return pem, secret


def trusting(authority, certificate=None):
    """What a client of this authority uses; certificate: its own and its key."""
    context = ssl.create_default_context(cafile=authority.file)
    if certificate:
        context.load_cert_chain(*certificate)
    return context


class TlsService(Service):
    """Its public and admin listeners speak TLS; `context` is what its clients use."""

    def __init__(self, program, data, context, certificate, *options, environment=None, before=()):
        self.context = context
        super().__init__(program, data, "--tls-certificate", certificate[0], "--tls-key", certificate[1], *options,
                         environment=environment, before=before)

    def request(self, method, path, body=None, headers=None, port=None, context=None):
        connection = http.client.HTTPSConnection("127.0.0.1", port or self.port, timeout=PATIENCE_S,
                                                 context=context or self.context)
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=headers or {})
            return Answer.of(connection.getresponse())

    def dial(self, port=None):
        """The socket alone."""
        return socket.create_connection(("127.0.0.1", port or self.port), timeout=PATIENCE_S)

    def connect(self, port=None, context=None):
        return (context or self.context).wrap_socket(self.dial(port), server_hostname="127.0.0.1")
