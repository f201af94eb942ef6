import { homedir } from "node:os";
import { KeyManagerError } from "../model/errors.ts";
import { type CloudSettings, cloudSettings } from "./cloud-settings.ts";
import { cloudFromFiles } from "./clouds.ts";

/** A process's environment variables. Passed in: this library reads none by itself. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What the environment does not say. */
export interface EnvironmentOptions {
  /** Where clouds.yaml is looked for first. Default: the process's. */
  readonly working?: string | undefined;
  /** Default: the user's. */
  readonly home?: string | undefined;
  /** One of the cloud's regions. Default: `OS_REGION_NAME`; with `OS_CLOUD`, the first one that the cloud lists. */
  readonly region?: string | undefined;
}

/**
 * Reads who calls, and where, from `OS_*` variables; if `OS_CLOUD` is set, from
 * that cloud of clouds.yaml instead, as openstacksdk does
 * (https://docs.openstack.org/python-openstackclient/latest/cli/man/openstack.html#environment-variables).
 *
 * @throws `invalid_argument` if neither says enough.
 */
export function settingsFromEnvironment(
  environment: Environment,
  options: EnvironmentOptions = {},
): CloudSettings {
  const { working: workingDirectory = ".", home: homeDirectory = homedir(), region } = options;
  const cloud = environment["OS_CLOUD"];
  if (cloud !== undefined && cloud !== "") {
    return cloudFromFiles({ cloud, region, environment, workingDirectory, homeDirectory });
  }
  const beside: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (name.startsWith("OS_") && value !== "") beside[name.slice(3).toLowerCase()] = value;
  }
  if (region !== undefined) beside["region_name"] = region;
  if (["auth_url", "token", "auth_token"].every((name) => beside[name] === undefined)) {
    throw new KeyManagerError(
      "invalid_argument",
      "environment: it names no key manager: set OS_CLOUD to a cloud of clouds.yaml, or OS_AUTH_URL, OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME",
    );
  }
  return cloudSettings("environment", { beside, auth: {} }, homeDirectory);
}
