import { KeyManagerError } from "../model/errors.ts";
import { suggestion } from "../model/options.ts";

/** Values under the ecosystem's names in snake case: `auth_url`, `region_name`. */
export type CloudValues = Readonly<Record<string, string | undefined>>;

/** A cloud as it is written: the values beside its `auth` section, and those in it. The environment has no section. */
export interface WrittenCloud {
  readonly beside: CloudValues;
  readonly auth: CloudValues;
}

const domains = ["domain_id", "domain_name"] as const;

/** Scopes, and what each name was called before; a newer name counts more, and within one name the `auth` section. */
const formerNames = new Map([
  ["project_id", ["tenant_id", "project_id"]],
  ["project_name", ["tenant_name", "project_name"]],
  ["token", ["auth_token", "token"]],
]);

/** What an `auth` section may hold, for any of the kinds of credentials that we support. */
const authOptions = [
  "auth_url",
  "username",
  "user_name",
  "user_id",
  "user_domain_id",
  "user_domain_name",
  "password",
  "application_credential_id",
  "application_credential_name",
  "application_credential_secret",
  "project_domain_id",
  "project_domain_name",
  "default_domain_id",
  "default_domain_name",
  "trust_id",
  "system_scope",
  ...domains,
  ...[...formerNames.values()].flat(),
];

/** Beside `auth` and in the environment there are hundreds of other names; these are read here. */
const cloudOptions = new Set([
  ...authOptions,
  "auth_type",
  "interface",
  "endpoint_type",
  "key_manager_interface",
  "key_manager_endpoint_type",
  "key_manager_region_name",
  "key_manager_endpoint",
  "key_manager_endpoint_override",
  "region_name",
  "cacert",
  "cert",
  "key",
  "insecure",
  "verify",
]);

/** True if a value of that name means something here, spelled with dashes or underscores. */
export function isCloudOption(name: string): boolean {
  return cloudOptions.has(underscored(name));
}

/**
 * Brings a cloud to one value for each name, as openstacksdk's loader does: `-` is `_`, a value beside `auth` counts
 * where `auth` has none, `tenant_…` is `project_…`, and the domain of a project is that of user and project unless
 * these say otherwise (https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html).
 *
 * @throws `invalid_argument` if a name is spelled in both ways, with two values.
 */
export function cloudValues(source: string, cloud: WrittenCloud): CloudValues {
  refuseTwoSpellings(source, cloud);
  const beside = level(cloud.beside);
  const auth = level(cloud.auth);
  const values: Record<string, string | undefined> = Object.fromEntries([...beside, ...auth]);
  for (const [name, names] of formerNames) {
    values[name] = names.flatMap((one) => [beside.get(one), auth.get(one)]).findLast(isGiven);
  }
  if (values["project_id"] !== undefined || values["project_name"] !== undefined) {
    for (const name of domains) {
      values[`user_${name}`] ??= values[name];
      values[`project_${name}`] ??= values[name];
      values[name] = undefined;
    }
  }
  for (const name of domains) {
    values[`user_${name}`] ??= values[`default_${name}`];
    values[`project_${name}`] ??= values[`default_${name}`];
  }
  return values;
}

/** @throws `invalid_argument` if the `auth` section has an option that nothing reads. */
export function refuseUnknownAuthOptions(source: string, { auth }: WrittenCloud): void {
  for (const name of Object.keys(auth)) {
    if (authOptions.includes(underscored(name))) continue;
    throw invalid(`${source}: auth has no option "${name}"${suggestion(name, authOptions)}`);
  }
}

/**
 * For a cloud that names no project, domain or trust: says so where one was meant. Beside `auth` unknown names are
 * ignored, as openstacksdk does, but not the one that was to name the project.
 *
 * @throws `invalid_argument`, `unsupported`
 */
export function refuseLostScope(
  source: string,
  { beside }: WrittenCloud,
  values: CloudValues,
): void {
  if (values["system_scope"] !== undefined) {
    throw new KeyManagerError(
      "unsupported",
      `${source}: system_scope is not supported: a key manager serves tokens of a project: name that`,
    );
  }
  const scopes = ["project_id", "project_name", "tenant_id", "tenant_name", "trust_id"];
  for (const name of Object.keys(beside)) {
    if (isCloudOption(name) || !/proj|prj|ten+an|trust/i.test(name)) continue;
    throw invalid(
      `${source}: no project is named, and "${name}" is not an option${suggestion(name, scopes)}`,
    );
  }
}

/**
 * openstacksdk asks Keystone for such a scope, too, and gets a 401; to leave it out would work in another project than
 * the one that is named.
 *
 * @throws `invalid_argument` if an application credential comes with a project, domain or trust.
 */
export function refuseSecondScope(source: string, values: CloudValues): void {
  const scopes = ["project_id", "project_name", "trust_id", "system_scope", ...domains];
  const given = scopes.find((name) => values[name] !== undefined);
  if (given === undefined) return;
  throw invalid(
    `${source}: an application credential has the project that it was made for: leave out ${given}`,
  );
}

/** One level with its names in one spelling, and the newest. */
function level(written: CloudValues): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(written)) {
    if (isGiven(value)) values.set(underscored(name), value);
  }
  const userName = values.get("user_name");
  if (userName !== undefined && !values.has("username")) values.set("username", userName);
  for (const [name, value] of values) {
    // openstacksdk takes the older name first here.
    if (name.endsWith("endpoint_type"))
      values.set(name.replace("endpoint_type", "interface"), value);
  }
  return values;
}

/** openstacksdk prefers one spelling or the other, depending on the name. */
function refuseTwoSpellings(source: string, { beside, auth }: WrittenCloud): void {
  const seen = new Map<string, readonly [name: string, value: string]>();
  for (const [name, value] of [...Object.entries(beside), ...Object.entries(auth)]) {
    if (!isGiven(value)) continue;
    const spelled = underscored(name);
    const [otherName, otherValue] = seen.get(spelled) ?? [name, value];
    if (otherName !== name && otherValue !== value) {
      throw invalid(`${source}: "${spelled}" is given with - and with _, and they differ`);
    }
    seen.set(spelled, [name, value]);
  }
}

function underscored(name: string): string {
  return name.replaceAll("-", "_");
}

function isGiven(value: string | undefined): value is string {
  return value !== undefined && value !== "";
}

function invalid(message: string): KeyManagerError {
  return new KeyManagerError("invalid_argument", message);
}
