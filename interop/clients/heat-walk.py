"""Debian's Heat makes and deletes a stack with secrets, orders and a container: its whole engine, in this process."""

import os

from heat.common import context as heat_context
from heat.common import messaging, template_format
from heat.db.sqlalchemy import api as database
from heat.db.sqlalchemy import models
from heat.engine import resources, stack, template
from keystoneauth1 import session
from keystoneauth1.identity import v3
from oslo_config import cfg

cfg.CONF([], project="heat", default_config_files=[os.environ["HEAT_CONF"]])
models.BASE.metadata.create_all(database.get_engine())
resources.initialise()
messaging.setup("fake://")

auth = v3.Password(
    auth_url=os.environ["OS_AUTH_URL"],
    username=os.environ["OS_USERNAME"],
    password=os.environ["OS_PASSWORD"],
    user_domain_id="default",
    project_name=os.environ["OS_PROJECT_NAME"],
    project_domain_id="default",
)
access = auth.get_access(session.Session())
context = heat_context.RequestContext(
    username=os.environ["OS_USERNAME"],
    password=os.environ["OS_PASSWORD"],
    user_id=access.user_id,
    project_id=access.project_id,
    project_name=os.environ["OS_PROJECT_NAME"],
    user_domain_id="default",
    project_domain_id="default",
    auth_url=os.environ["OS_AUTH_URL"],
    region_name=os.environ["OS_REGION_NAME"],
    roles=access.role_names,
    is_admin=False,
)

TEMPLATE = """
heat_template_version: 2018-08-31
resources:
  text:
    type: OS::Barbican::Secret
    properties:
      name: text
      payload: a päyload
      payload_content_type: text/plain
      secret_type: passphrase
      expiration: "2049-06-07T08:09:10"
  key:
    type: OS::Barbican::Order
    properties: { name: key, type: key, algorithm: aes, bit_length: 256, mode: cbc }
  pair:
    type: OS::Barbican::Order
    properties: { name: pair, type: asymmetric, algorithm: rsa, bit_length: 2048 }
  box:
    type: OS::Barbican::GenericContainer
    properties:
      name: box
      secrets: [{ name: one, ref: { get_resource: text } }]
"""

made = stack.Stack(context, "walk", template.Template(template_format.parse(TEMPLATE)))
made.store()
made.validate()
made.create()
assert made.state == ("CREATE", "COMPLETE"), (made.state, made.status_reason)
assert made["text"].FnGetAtt("decrypted_payload") == "a päyload"
assert made["text"].FnGetAtt("status") == "ACTIVE"
assert made["key"].FnGetAtt("secret_ref").rsplit("/", 2)[1] == "secrets"
assert "PUBLIC KEY" in str(made["pair"].FnGetAtt("public_key"))
assert made["box"].FnGetAtt("secret_refs") == {"one": made["text"].resource_id}
made.delete()
assert made.state == ("DELETE", "COMPLETE"), (made.state, made.status_reason)
print("heat: all done")
