#!/usr/bin/python3
"""Runs Debian's Castellan on request: one JSON line in, one out.

In:  {"named": true}    create a 256-bit AES key, get it, delete it
Out: {"seconds": 0.36}  how long that took, measured here

Configuration comes from the OS_* variables and BARBICAN_ENDPOINT.
"""

import json
import os
import sys
import time

from castellan import key_manager, options
from castellan.common.credentials import keystone_password
from oslo_config import cfg

configuration = cfg.ConfigOpts()
configuration([], project="castellan", default_config_files=[])
options.set_defaults(
    configuration,
    barbican_endpoint=os.environ["BARBICAN_ENDPOINT"],
    barbican_api_version="v1",
    auth_endpoint=os.environ["OS_AUTH_URL"],
)
manager = key_manager.API(configuration)
context = keystone_password.KeystonePassword(
    auth_url=os.environ["OS_AUTH_URL"],
    username=os.environ["OS_USERNAME"],
    password=os.environ["OS_PASSWORD"],
    user_domain_name=os.environ["OS_USER_DOMAIN_NAME"],
    project_name=os.environ["OS_PROJECT_NAME"],
    project_domain_name=os.environ["OS_PROJECT_DOMAIN_NAME"],
)

for line in sys.stdin:
    named = json.loads(line)["named"]
    name = {"name": "bench"} if named else {}
    start = time.perf_counter()
    key_id = manager.create_key(context, algorithm="AES", length=256, **name)
    key = manager.get(context, key_id)
    manager.delete(context, key_id)
    seconds = time.perf_counter() - start
    assert len(key.get_encoded()) == 32
    print(json.dumps({"seconds": seconds}), flush=True)
