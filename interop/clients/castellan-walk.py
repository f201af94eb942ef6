"""Debian's Castellan does everything it can do, by a configuration file and the environment's credentials."""

import os

from castellan import key_manager
from castellan.common import exception
from castellan.common.credentials import keystone_password
from castellan.common.objects import opaque_data, passphrase, private_key, public_key, symmetric_key
from oslo_config import cfg

conf = cfg.ConfigOpts()
conf([], project="castellan", default_config_files=[os.environ["CASTELLAN_CONF"]])
manager = key_manager.API(conf)
context = keystone_password.KeystonePassword(
    auth_url=os.environ["OS_AUTH_URL"],
    username=os.environ["OS_USERNAME"],
    password=os.environ["OS_PASSWORD"],
    user_domain_name="Default",
    project_name=os.environ["OS_PROJECT_NAME"],
    project_domain_name="Default",
)

key_id = manager.create_key(context, algorithm="AES", length=256, name="castellan")
key = manager.get(context, key_id)
assert (key.algorithm, key.bit_length, len(key.get_encoded())) == ("AES", 256, 32)
assert manager.get(context, key_id, metadata_only=True).is_metadata_only()

pair = manager.create_key_pair(context, algorithm="RSA", length=2048, name="castellan")
private, public = (manager.get(context, one) for one in pair)
assert private.get_encoded()[:1] == public.get_encoded()[:1] == b"\x30", "DER sequences"

for made in (
    symmetric_key.SymmetricKey("AES", 256, os.urandom(32), name="castellan"),
    passphrase.Passphrase("s3cret päss", name="castellan"),
    opaque_data.OpaqueData(os.urandom(77), name="castellan"),
    private_key.PrivateKey("RSA", 2048, private.get_encoded(), name="castellan"),
    public_key.PublicKey("RSA", 2048, public.get_encoded(), name="castellan"),
):
    stored = manager.store(context, made)
    found = manager.get(context, stored)
    assert type(found) is type(made) and found.get_encoded() == made.get_encoded()
    manager.delete(context, stored)

keys = manager.list(context, object_type=symmetric_key.SymmetricKey, metadata_only=True)
assert [key.name for key in keys].count("castellan") == 1

if hasattr(manager, "add_consumer"):
    consumer = {"service": "volume", "resource_type": "volume", "resource_id": "1234"}
    manager.add_consumer(context, key_id, consumer)
    assert manager.get(context, key_id, metadata_only=True).consumers
    manager.remove_consumer(context, key_id, consumer)

for one in (key_id, *pair):
    manager.delete(context, one)
try:
    manager.get(context, key_id)
    raise SystemExit("a deleted key was still there")
except exception.ManagedObjectNotFoundError:
    print("castellan: all done")
