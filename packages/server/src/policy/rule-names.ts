/** The kind of object whose attributes a rule may look at; `none` for rules that guard no single object. */
export type TargetKind = "secret" | "container" | "order" | "none";

/** Every rule there is, with the kind of object it guards. Names are Barbican's, so that its policy files fit. */
export const targetKinds = {
  "secrets:post": "none",
  "secrets:get": "none",
  "secret:get": "secret",
  "secret:decrypt": "secret",
  "secret:put": "secret",
  "secret:delete": "secret",
  "secret_meta:get": "secret",
  "secret_meta:post": "secret",
  "secret_meta:put": "secret",
  "secret_meta:delete": "secret",
  "secret_acls:get": "secret",
  "secret_acls:put_patch": "secret",
  "secret_acls:delete": "secret",
  "secret_consumers:get": "secret",
  "secret_consumers:post": "secret",
  "secret_consumers:delete": "secret",
  "containers:post": "none",
  "containers:get": "none",
  "container:get": "container",
  "container:delete": "container",
  "container_secret:post": "container",
  "container_secret:delete": "container",
  "container_acls:get": "container",
  "container_acls:put_patch": "container",
  "container_acls:delete": "container",
  "container_consumers:get": "container",
  "container_consumers:post": "container",
  "container_consumers:delete": "container",
  "consumer:get": "container",
  "orders:post": "none",
  "orders:get": "none",
  "orders:put": "none",
  "order:get": "order",
  "order:delete": "order",
  "quotas:get": "none",
  "project_quotas:get": "none",
  "project_quotas:put": "none",
  "project_quotas:delete": "none",
  "secretstores:get": "none",
  "secretstores:get_global_default": "none",
  "secretstores:get_preferred": "none",
  "secretstore:get": "none",
  "secretstore_preferred:post": "none",
  "secretstore_preferred:delete": "none",
  "transport_keys:get": "none",
  "transport_keys:post": "none",
  "transport_key:get": "none",
  "transport_key:delete": "none",
} as const satisfies Record<string, TargetKind>;

/** The name of a rule, such as `secret:get`. */
export type PolicyRule = keyof typeof targetKinds;

/** All rule names, in the order of the table. */
export const policyRules = Object.keys(targetKinds) as readonly PolicyRule[];

export function isPolicyRule(name: string): name is PolicyRule {
  return Object.hasOwn(targetKinds, name);
}
