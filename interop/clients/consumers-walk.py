"""Debian's python-barbicanclient registers, lists and removes consumers of a container.

Its release of 2022 has no command for that, and no consumers of secrets.
"""

import os

from barbicanclient import client
from keystoneauth1 import session
from keystoneauth1.identity import v3

auth = v3.Password(
    auth_url=os.environ["OS_AUTH_URL"],
    username=os.environ["OS_USERNAME"],
    password=os.environ["OS_PASSWORD"],
    user_domain_name="Default",
    project_name=os.environ["OS_PROJECT_NAME"],
    project_domain_name="Default",
)
barbican = client.Client(session=session.Session(auth=auth), endpoint=os.environ["BARBICAN_ENDPOINT"])

container = barbican.containers.create(name="consumed")
ref = container.store()
names = [f"balancer-{n}" for n in range(3)]
for name in names:
    found = barbican.containers.register_consumer(ref, name, f"https://{name}.test/")
assert sorted(one["name"] for one in found.consumers) == names
barbican.containers.remove_consumer(ref, names[0], f"https://{names[0]}.test/")
left = barbican.containers.get(ref).consumers
assert sorted(one["name"] for one in left) == names[1:]
barbican.containers.delete(ref)
print("consumers: all done")
