import type { PolicyRule } from "./rule-names.ts";

/** A whole rule set as an operator would write it: each rule, and helper rules that others refer to. */
export type RuleTable = Readonly<Record<PolicyRule, string>>;

/**
 * Helpers that both sets share; an operator's file may refer to them and may
 * redefine them. "private" is an object whose ACL has `project-access` false.
 */
export const helperRules: Readonly<Record<string, string>> = {
  // Roles of the legacy set.
  admin: "role:admin",
  observer: "role:observer",
  creator: "role:creator",
  audit: "role:audit",
  service_admin: "role:key-manager:service-admin",
  admin_or_creator: "rule:admin or rule:creator",
  all_but_audit: "rule:admin_or_creator or rule:observer",
  all_users: "rule:all_but_audit or rule:audit or rule:service_admin",

  // Whose secret it is.
  secret_project_match: "project_id:%(target.secret.project_id)s",
  secret_creator_user: "user_id:%(target.secret.creator_id)s",
  secret_acl_read: "'read':%(target.secret.read)s",
  secret_is_not_private: "True:%(target.secret.read_project_access)s",
  secret_project_admin: "rule:admin and rule:secret_project_match",
  secret_project_member: "role:member and rule:secret_project_match",
  secret_owner: "rule:secret_project_member and rule:secret_creator_user",
  secret_member_access:
    "rule:secret_project_member and (rule:secret_is_not_private or rule:secret_creator_user)",
  secret_creator_access:
    "role:creator and rule:secret_project_match and (rule:secret_is_not_private or rule:secret_creator_user)",
  secret_non_private_read:
    "rule:all_users and rule:secret_project_match and rule:secret_is_not_private",
  secret_decrypt_non_private_read:
    "rule:all_but_audit and rule:secret_project_match and rule:secret_is_not_private",

  // Whose container it is.
  container_project_match: "project_id:%(target.container.project_id)s",
  container_creator_user: "user_id:%(target.container.creator_id)s",
  container_acl_read: "'read':%(target.container.read)s",
  container_is_not_private: "True:%(target.container.read_project_access)s",
  container_project_admin: "rule:admin and rule:container_project_match",
  container_project_member: "role:member and rule:container_project_match",
  container_owner: "rule:container_project_member and rule:container_creator_user",
  container_member_access:
    "rule:container_project_member and (rule:container_is_not_private or rule:container_creator_user)",
  container_creator_access:
    "role:creator and rule:container_project_match and (rule:container_is_not_private or rule:container_creator_user)",
  container_non_private_read:
    "rule:all_users and rule:container_project_match and rule:container_is_not_private",

  // Whose order it is. Orders have no ACL and no creator's privilege.
  order_project_match: "project_id:%(target.order.project_id)s",
  order_project_member: "role:member and rule:order_project_match",
};

/**
 * Barbican's newer rules ("secure RBAC", `enforce_new_defaults`), the default.
 * Roles: reader, member, admin, each including the ones before it.
 */
export const secureRules: RuleTable = {
  "secrets:post": "role:member",
  "secrets:get": "role:member",
  // An admin of any project may see what a secret is called and may delete it; its payload stays closed.
  "secret:get": "rule:admin or rule:secret_member_access or rule:secret_acl_read",
  "secret:decrypt":
    "rule:secret_project_admin or rule:secret_member_access or rule:secret_acl_read",
  "secret:put": "rule:secret_project_admin or rule:secret_member_access",
  "secret:delete": "rule:admin or rule:secret_member_access",
  "secret_meta:get":
    "rule:secret_project_admin or rule:secret_member_access or rule:secret_acl_read",
  "secret_meta:post": "rule:secret_project_admin or rule:secret_member_access",
  "secret_meta:put": "rule:secret_project_admin or rule:secret_member_access",
  "secret_meta:delete": "rule:secret_project_admin or rule:secret_member_access",
  "secret_acls:get": "rule:secret_project_admin or rule:secret_owner",
  "secret_acls:put_patch": "rule:secret_project_admin or rule:secret_owner",
  "secret_acls:delete": "rule:secret_project_admin or rule:secret_owner",
  "secret_consumers:get":
    "rule:secret_project_admin or rule:secret_member_access or rule:secret_acl_read",
  "secret_consumers:post":
    "rule:secret_project_admin or rule:secret_member_access or rule:secret_acl_read",
  "secret_consumers:delete":
    "rule:secret_project_admin or rule:secret_member_access or rule:secret_acl_read",

  "containers:post": "role:member",
  "containers:get": "role:member",
  "container:get":
    "rule:container_project_admin or rule:container_member_access or rule:container_acl_read",
  "container:delete": "rule:container_project_admin or rule:container_member_access",
  "container_secret:post": "rule:container_project_admin or rule:container_member_access",
  "container_secret:delete": "rule:container_project_admin or rule:container_member_access",
  "container_acls:get": "rule:container_project_admin or rule:container_owner",
  "container_acls:put_patch": "rule:container_project_admin or rule:container_owner",
  "container_acls:delete": "rule:container_project_admin or rule:container_owner",
  "container_consumers:get":
    "rule:container_project_admin or rule:container_member_access or rule:container_acl_read",
  "container_consumers:post":
    "rule:container_project_admin or rule:container_member_access or rule:container_acl_read",
  "container_consumers:delete":
    "rule:container_project_admin or rule:container_member_access or rule:container_acl_read",
  "consumer:get": "rule:admin or rule:container_member_access or rule:container_acl_read",

  "orders:post": "role:member",
  "orders:get": "role:member",
  "orders:put": "role:member",
  "order:get": "rule:order_project_member",
  "order:delete": "rule:order_project_member",

  "quotas:get": "role:reader",
  "project_quotas:get": "rule:admin",
  "project_quotas:put": "rule:admin",
  "project_quotas:delete": "rule:admin",
  "secretstores:get": "role:reader",
  "secretstores:get_global_default": "role:reader",
  "secretstores:get_preferred": "role:reader",
  "secretstore:get": "role:reader",
  "secretstore_preferred:post": "rule:admin",
  "secretstore_preferred:delete": "rule:admin",
  "transport_keys:get": "role:reader",
  "transport_keys:post": "rule:admin",
  "transport_key:get": "role:reader",
  "transport_key:delete": "rule:admin",
};

/**
 * Barbican's older rules, for clouds whose users have the roles admin,
 * creator, observer, audit and key-manager:service-admin.
 *
 * They are as wide as Barbican's: any creator of a project may change the ACL
 * of a colleague's private secret, and most roles may read a single container
 * consumer of any project. An operator's policy file can narrow either.
 */
export const legacyRules: RuleTable = {
  "secrets:post": "rule:admin_or_creator",
  "secrets:get": "rule:all_but_audit",
  "secret:get":
    "rule:secret_project_admin or rule:secret_creator_access or rule:secret_non_private_read or rule:secret_acl_read",
  "secret:decrypt":
    "rule:secret_project_admin or rule:secret_creator_access or rule:secret_decrypt_non_private_read or rule:secret_acl_read",
  "secret:put": "rule:admin_or_creator and rule:secret_project_match",
  "secret:delete": "rule:secret_project_admin or rule:secret_creator_access",
  "secret_meta:get":
    "rule:secret_project_admin or rule:secret_creator_access or rule:secret_non_private_read or rule:secret_acl_read",
  "secret_meta:post": "rule:secret_project_admin or rule:secret_creator_access",
  "secret_meta:put": "rule:secret_project_admin or rule:secret_creator_access",
  "secret_meta:delete": "rule:secret_project_admin or rule:secret_creator_access",
  "secret_acls:get": "rule:all_but_audit and rule:secret_project_match",
  "secret_acls:put_patch": "rule:admin_or_creator and rule:secret_project_match",
  "secret_acls:delete": "rule:admin_or_creator and rule:secret_project_match",
  "secret_consumers:get":
    "rule:secret_project_admin or rule:secret_creator_access or rule:secret_non_private_read or rule:secret_acl_read",
  "secret_consumers:post":
    "rule:secret_project_admin or rule:secret_creator_access or rule:secret_non_private_read or rule:secret_acl_read",
  "secret_consumers:delete":
    "rule:secret_project_admin or rule:secret_creator_access or rule:secret_non_private_read or rule:secret_acl_read",

  "containers:post": "rule:admin_or_creator",
  "containers:get": "rule:all_but_audit",
  "container:get":
    "rule:container_project_admin or rule:container_creator_access or rule:container_non_private_read or rule:container_acl_read",
  "container:delete":
    "rule:container_project_admin or (rule:creator and rule:container_project_match and rule:container_creator_user)",
  "container_secret:post": "rule:container_project_admin or rule:container_creator_access",
  "container_secret:delete": "rule:container_project_admin or rule:container_creator_access",
  "container_acls:get": "rule:all_but_audit and rule:container_project_match",
  "container_acls:put_patch": "rule:admin_or_creator and rule:container_project_match",
  "container_acls:delete": "rule:admin_or_creator and rule:container_project_match",
  "container_consumers:get":
    "rule:container_project_admin or rule:container_creator_access or rule:container_non_private_read or rule:container_acl_read",
  "container_consumers:post":
    "rule:container_project_admin or rule:container_creator_access or rule:container_non_private_read or rule:container_acl_read",
  "container_consumers:delete":
    "rule:container_project_admin or rule:container_creator_access or rule:container_non_private_read or rule:container_acl_read",
  "consumer:get":
    "rule:all_but_audit or rule:audit or rule:container_non_private_read or rule:container_acl_read",

  "orders:post": "rule:admin_or_creator",
  "orders:get": "rule:all_but_audit",
  "orders:put": "rule:admin_or_creator",
  "order:get": "rule:all_users and rule:order_project_match",
  "order:delete": "rule:admin and rule:order_project_match",

  "quotas:get": "rule:all_users",
  "project_quotas:get": "rule:service_admin",
  "project_quotas:put": "rule:service_admin",
  "project_quotas:delete": "rule:service_admin",
  "secretstores:get": "rule:all_users",
  "secretstores:get_global_default": "rule:all_users",
  "secretstores:get_preferred": "rule:all_users",
  "secretstore:get": "rule:all_users",
  "secretstore_preferred:post": "rule:admin",
  "secretstore_preferred:delete": "rule:admin",
  "transport_keys:get": "rule:all_users",
  "transport_keys:post": "rule:service_admin",
  "transport_key:get": "rule:all_users",
  "transport_key:delete": "rule:service_admin",
};
