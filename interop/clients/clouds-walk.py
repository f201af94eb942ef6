"""Debian's openstacksdk reads clouds.yaml in each folder of a list, and logs in as it says.

Prints a JSON list: what else it read, or why it refused.
"""

import json
import os
import sys
import warnings

from keystoneauth1 import exceptions
from openstack.config import loader

warnings.simplefilter("ignore")


def read(folder):
    paths = {kind: [os.path.join(folder, f"{kind}.yaml")] for kind in ("clouds", "secure", "clouds-public")}
    try:
        config = loader.OpenStackConfig(
            config_files=paths["clouds"],
            secure_files=paths["secure"],
            vendor_files=paths["clouds-public"],
            load_envvars=False,
        )
        cloud = config.get_one("one")
        try:
            cloud.get_session().get_token()
        except exceptions.Unauthorized:
            pass
        return {
            "region": cloud.get_region_name("key-manager"),
            "interface": cloud.get_interface("key-manager"),
            "endpoint": cloud.get_endpoint("key-manager"),
        }
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"}


print(json.dumps([read(folder) for folder in json.load(sys.stdin)]))
