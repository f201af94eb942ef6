# Debian's fog-openstack, the library of Vagrant's, Foreman's and ManageIQ's providers, does everything that it can do
# with a key manager.
require "fog/openstack"

def same(what, found, expected)
  raise "fog: #{what}: #{found.inspect} instead of #{expected.inspect}" unless found == expected
end

manager = Fog::OpenStack::KeyManager.new(
  openstack_auth_url: ENV.fetch("OS_AUTH_URL"),
  openstack_username: ENV.fetch("OS_USERNAME"),
  openstack_api_key: ENV.fetch("OS_PASSWORD"),
  openstack_user_domain: "Default",
  openstack_project_name: ENV.fetch("OS_PROJECT_NAME"),
  openstack_project_domain: "Default",
  openstack_domain_name: "Default",
  openstack_region: ENV.fetch("OS_REGION_NAME")
)

text = manager.secrets.create(
  name: "fog", payload: "a payload", payload_content_type: "text/plain",
  secret_type: "passphrase", expiration: "2049-06-07T08:09:10"
)
found = manager.secrets.get(text.uuid)
same("a secret", [found.name, found.status, found.secret_type], %w[fog ACTIVE passphrase])
same("a payload", manager.get_secret_payload(text.uuid).body, "a payload")
same("metadata", manager.get_secret_metadata(text.uuid).body, { "metadata" => {} })

bytes = (0...32).to_a.pack("C*")
key = manager.secrets.create(
  name: "fog key", payload: [bytes].pack("m0"), payload_content_type: "application/octet-stream",
  payload_content_encoding: "base64", algorithm: "aes", bit_length: 256, mode: "cbc", secret_type: "symmetric"
)
same("a key's length", manager.secrets.get(key.uuid).bit_length, 256)
same("secrets", manager.secrets.all.map(&:name).sort, ["fog", "fog key"])
same("secrets of a name", manager.list_secrets(name: "fog").body["total"], 1)

box = manager.containers.create(
  name: "box", type: "generic", secret_refs: [{ name: "one", secret_ref: text.secret_ref }]
)
same("containers", manager.containers.all.map(&:name), ["box"])
same("members", manager.containers.get(box.uuid).secret_refs.map { |ref| ref["name"] }, ["one"])

users = [ENV.fetch("OTHER_USER_ID")]
{ secret: text.uuid, container: box.uuid }.each do |kind, id|
  acl = -> { manager.public_send("get_#{kind}_acl", id).body["read"] }
  manager.public_send("replace_#{kind}_acl", id, read: { users: users, "project-access": false })
  same("a #{kind}'s ACL", [acl.call["users"], acl.call["project-access"]], [users, false])
  manager.public_send("update_#{kind}_acl", id, read: { "project-access": true })
  same("an updated ACL", [acl.call["users"], acl.call["project-access"]], [users, true])
  manager.public_send("delete_#{kind}_acl", id)
  same("a deleted ACL", acl.call["users"], nil)
end

box.destroy
[text, key].each(&:destroy)
begin
  manager.get_secret(text.uuid)
  raise "fog: a deleted secret was still there"
rescue Fog::OpenStack::KeyManager::NotFound
  puts "fog: all done"
end
