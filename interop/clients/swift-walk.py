"""Debian's Swift fetches its root encryption secret through Castellan, as its proxy servers do when they start."""

import os

from castellan import key_manager
from castellan.common.credentials import keystone_password
from oslo_config import cfg
from swift.common.middleware.crypto import kms_keymaster

login = {
    "username": os.environ["OS_USERNAME"],
    "password": os.environ["OS_PASSWORD"],
    "project_name": os.environ["OS_PROJECT_NAME"],
    "user_domain_name": "Default",
    "project_domain_name": "Default",
}
url = os.environ["OS_AUTH_URL"]
conf = cfg.ConfigOpts()
manager = key_manager.API(conf)
conf.set_default("auth_endpoint", url, group="barbican")
context = keystone_password.KeystonePassword(auth_url=url, **login)
ids = [manager.create_key(context, algorithm="AES", length=256, name="swift") for _ in range(2)]
keys = [manager.get(context, one).get_encoded() for one in ids]

settings = {
    **login,
    "__file__": "proxy-server.conf",
    "auth_endpoint": url,
    "key_id": ids[0],
    "key_id_later": ids[1],
    "active_root_secret_id": "later",
}
keymaster = kms_keymaster.filter_factory({}, **settings)(None)
assert keymaster.active_secret_id == "later"
assert [keymaster._root_secrets[one] for one in (None, "later")] == keys
for one in ids:
    manager.delete(context, one)
print("swift: all done")
