import { homedir } from "node:os";
import { KeyManagerError } from "../errors.ts";
import { type CloudSettings, cloudSettings } from "./cloud-settings.ts";
import { cloudFromFiles } from "./clouds.ts";

/** A process's environment variables. Passed in: this library reads none by itself. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that are not simply `OS_` and the clouds.yaml name in upper case; those that are go first. */
const renamed = new Map([
  ["OS_TENANT_ID", "project_id"],
  ["OS_TENANT_NAME", "project_name"],
  ["OS_KEY_MANAGER_ENDPOINT", "key_manager_endpoint_override"],
]);

/**
 * Reads who calls, and where, from `OS_*` variables; if `OS_CLOUD` is set, from
 * that cloud of clouds.yaml instead, as openstacksdk does
 * (https://docs.openstack.org/python-openstackclient/latest/cli/man/openstack.html#environment-variables).
 *
 * @throws `invalid_argument` if neither says enough.
 */
export function settingsFromEnvironment(
  environment: Environment,
  directories: { readonly working?: string; readonly home?: string } = {},
): CloudSettings {
  const cloud = environment["OS_CLOUD"];
  if (cloud !== undefined && cloud !== "") {
    return cloudFromFiles({
      cloud,
      environment,
      workingDirectory: directories.working ?? ".",
      homeDirectory: directories.home ?? homedir(),
    });
  }
  const values: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (name.startsWith("OS_") && value !== "") values[name.slice(3).toLowerCase()] = value;
  }
  for (const [variable, name] of renamed) values[name] ??= environment[variable] || undefined;
  if (values["auth_url"] === undefined && values["token"] === undefined) {
    throw new KeyManagerError(
      "invalid_argument",
      "environment: it names no key manager: set OS_CLOUD to a cloud of clouds.yaml, or OS_AUTH_URL, OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME",
    );
  }
  return cloudSettings("environment", values);
}
