"""Debian's Octavia reads a user's certificate by the user's leave, from a PKCS12 secret and from a container.

OS_* is the user, who owns the certificate; SERVICE_* is Octavia's own user, who is in another project.
"""

import datetime
import os
import types

from barbicanclient import client
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID
from keystoneauth1 import session
from keystoneauth1.identity import v3
from octavia.certificates.manager import barbican
from octavia.common import config
from oslo_config import cfg

config.init(["--config-file", os.environ["OCTAVIA_CONF"]])

auth = v3.Password(
    auth_url=os.environ["OS_AUTH_URL"],
    username=os.environ["OS_USERNAME"],
    password=os.environ["OS_PASSWORD"],
    user_domain_name="Default",
    project_name=os.environ["OS_PROJECT_NAME"],
    project_domain_name="Default",
)
user_session = session.Session(auth=auth)
user = client.Client(session=user_session, region_name=os.environ["OS_REGION_NAME"])
context = types.SimpleNamespace(
    auth_token=user_session.get_token(), project_id=user_session.get_project_id()
)


def certificate(name, issuer=None, issuer_key=None):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.utcnow()
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(issuer_key or key, hashes.SHA256())
    )
    return made, key


def pem(made):
    return made.public_bytes(serialization.Encoding.PEM)


authority, authority_key = certificate("authority")
served, key = certificate("balancer.test", authority.subject, authority_key)
key_pem = key.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)


def refused(manager, ref):
    """For a PKCS12 secret, Octavia asks for a container of that id next, and repeats what it hears of that."""
    try:
        manager.get_cert(context, ref, check_only=True)
    except Exception as error:
        assert str(error).startswith(("Forbidden", "Not Found")), error
        return True
    return False


def walk(ref, consumers=None):
    """Octavia's API checks and grants, its worker fetches, and both give back."""
    manager = barbican.BarbicanCertManager()
    assert refused(manager, ref), "before the owner gave leave"
    manager.set_acls(context, ref)
    found = manager.get_cert(context, ref, resource_ref="http://balancer.test/1", service_name="Octavia")
    assert found.get_certificate().strip() == pem(served).strip()
    private = serialization.load_pem_private_key(found.get_private_key(), None)
    assert private.private_numbers() == key.private_numbers()
    assert [one.strip() for one in found.get_intermediates()] == [pem(authority).strip()]
    assert consumers is None or consumers() == 1
    manager.delete_cert(context, ref, "http://balancer.test/1", service_name="Octavia")
    assert consumers is None or consumers() == 0
    manager.unset_acls(context, ref)
    assert refused(manager, ref), "after the owner took it back"


bundle = user.secrets.create(
    name="bundle", payload=pkcs12.serialize_key_and_certificates(b"bundle", key, served, [authority], serialization.NoEncryption())
)
bundle_ref = bundle.store()
walk(bundle_ref)

parts = {
    "certificate": user.secrets.create(name="certificate", secret_type="certificate", payload=pem(served).decode()),
    "private_key": user.secrets.create(name="private_key", secret_type="private", payload=key_pem.decode()),
    "intermediates": user.secrets.create(name="intermediates", secret_type="certificate", payload=pem(authority).decode()),
}
refs = [part.store() for part in parts.values()]
box = user.containers.create_certificate(name="box", **parts)
box_ref = box.store()
walk(box_ref, lambda: len(user.containers.get(box_ref).consumers))

user.containers.delete(box_ref)
for ref in [bundle_ref, *refs]:
    user.secrets.delete(ref)
print("octavia: all done")
