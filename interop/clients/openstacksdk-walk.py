"""Debian's openstacksdk stores, orders, lists page by page and deletes, as Ansible's modules do."""

import os

import openstack
from openstack import exceptions

cloud = openstack.connect()
manager = cloud.key_manager

made = [
    manager.create_secret(
        name=f"sdk-{n}", secret_type="passphrase", payload=f"payload {n}", payload_content_type="text/plain"
    )
    for n in range(5)
]
found = manager.get_secret(made[0].secret_id)
assert (found.name, found.payload, found.status) == ("sdk-0", "payload 0", "ACTIVE"), found
assert sorted(one.name for one in manager.secrets()) == [f"sdk-{n}" for n in range(5)]
assert sorted(one.name for one in manager.secrets(limit=2)) == [f"sdk-{n}" for n in range(5)], "page by page"
assert [one.name for one in manager.secrets(name="sdk-3")] == ["sdk-3"]
assert manager.find_secret(made[1].secret_id).name == "sdk-1"

boxes = [
    manager.create_container(
        name=f"box-{n}", type="generic", secret_refs=[{"name": "one", "secret_ref": made[n].secret_ref}]
    )
    for n in range(3)
]
assert manager.get_container(boxes[0].container_id).secret_refs[0]["secret_ref"] == made[0].secret_ref
assert sorted(one.name for one in manager.containers(limit=1)) == ["box-0", "box-1", "box-2"]

meta = {"name": "ordered", "algorithm": "aes", "bit_length": 256, "mode": "cbc"}
orders = [manager.create_order(type="key", meta=meta) for _ in range(3)]
order = manager.get_order(orders[0].order_id)
assert (order.status, order.meta["bit_length"]) == ("ACTIVE", 256), order
assert len(list(manager.orders(limit=2))) == 3

keys = [manager.get_order(one.order_id).secret_id for one in orders]
for one in orders:
    manager.delete_order(one.order_id, ignore_missing=False)
for one in boxes:
    manager.delete_container(one.container_id, ignore_missing=False)
for one in [*keys, *(secret.secret_id for secret in made)]:
    manager.delete_secret(one, ignore_missing=False)
try:
    manager.get_container(boxes[0].container_id)
    raise SystemExit("a deleted container was still there")
except exceptions.ResourceNotFound:
    pass
assert list(manager.secrets()) == [] and os.environ["OS_PROJECT_NAME"]
print("openstacksdk: all done")
