import { join } from "node:path";
import type { TlsOptions } from "../http/send.ts";
import {
  type Caller,
  type KeystoneCaller,
  keystoneCaller,
  keystoneOptionNames,
} from "../model/caller.ts";
import { KeyManagerError } from "../model/errors.ts";
import { suggestion } from "../model/options.ts";
import type { EndpointInterface } from "./catalog.ts";
import {
  type CloudValues,
  cloudValues,
  refuseLostScope,
  refuseSecondScope,
  refuseUnknownAuthOptions,
  type WrittenCloud,
} from "./cloud-values.ts";

/** Who calls, and where: what `OS_*` variables or one cloud of clouds.yaml say. */
export interface CloudSettings {
  readonly caller: Caller;
  /** Of the key manager; undefined: from the catalog. */
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  readonly interface: EndpointInterface | undefined;
  readonly tls: TlsOptions;
}

const authTypes = new Map([
  ["password", "password"],
  ["v3password", "password"],
  ["token", "token"],
  ["v3token", "token"],
  ["v3applicationcredential", "application_credential"],
] as const);

/**
 * @param source what errors call it: `environment`, `cloud "devstack" of /etc/openstack/clouds.yaml`.
 * @param homeDirectory what `~` stands for in the names of files.
 * @throws `invalid_argument`, `unsupported`
 */
export function cloudSettings(
  source: string,
  written: WrittenCloud,
  homeDirectory: string,
): CloudSettings {
  const values = cloudValues(source, written);
  const file = (name: string) => values[name]?.replace(/^~(?=\/)/, () => join(homeDirectory));
  const authType = authTypeOf(source, values);
  refuseUnknownAuthOptions(source, written);
  const caller = callerOf(source, authType, values);
  if (caller.type === "application_credential") refuseSecondScope(source, values);
  else if (caller.scope.type === "unscoped") refuseLostScope(source, written, values);
  return {
    caller,
    endpoint: filledIn(
      source,
      "key_manager_endpoint_override",
      values["key_manager_endpoint_override"] ?? values["key_manager_endpoint"],
      values,
    ),
    region: values["key_manager_region_name"] ?? values["region_name"],
    interface: endpointInterface(source, values["key_manager_interface"] ?? values["interface"]),
    tls: {
      caFile: file("cacert"),
      certificateFile: file("cert"),
      keyFile: file("key"),
      insecureSkipVerification: isTrue(values["insecure"]) || isFalse(values["verify"]),
    },
  };
}

function authTypeOf(source: string, values: CloudValues): KeystoneCaller["type"] | undefined {
  const authType = values["auth_type"];
  if (authType === undefined) return undefined;
  const known = authTypes.get(authType as "password");
  if (known !== undefined) return known;
  const reason = `auth_type "${authType}" is not supported${suggestion(authType, [...authTypes.keys()])}`;
  throw new KeyManagerError("unsupported", `${source}: ${reason}`);
}

function callerOf(
  source: string,
  authType: KeystoneCaller["type"] | undefined,
  values: CloudValues,
): KeystoneCaller {
  const credentials: Record<string, unknown> = {};
  for (const name of keystoneOptionNames) {
    const value = name === "authType" ? authType : values[snakeCase(name)];
    if (value !== undefined) credentials[name] = value;
  }
  const authUrl = filledIn(source, "auth_url", values["auth_url"], values);
  if (authUrl !== undefined) credentials["authUrl"] = authUrl;
  return within(source, () => keystoneCaller(credentials));
}

/** An address with the cloud's own values in place of `{region_name}` and the like, as vendors write it. */
function filledIn(
  source: string,
  option: string,
  address: string | undefined,
  values: CloudValues,
): string | undefined {
  return address?.replace(/\{(\w*)\}/g, (_, name: string) => {
    const value = placeholders.includes(name) ? values[name] : undefined;
    if (value !== undefined) return value;
    const reason = `${option} has the placeholder {${name}}, and nothing replaces it`;
    throw new KeyManagerError("invalid_argument", `${source}: ${reason}`);
  });
}

/** None of them is secret: what is filled in shows in errors. */
const placeholders = ["region_name", "profile", "interface"];

function endpointInterface(
  source: string,
  text: string | undefined,
): EndpointInterface | undefined {
  const name = text?.replace(/URL$/, "");
  if (name === undefined || name === "public" || name === "internal" || name === "admin")
    return name;
  throw new KeyManagerError(
    "invalid_argument",
    `${source}: interface "${name}"${suggestion(name, ["public", "internal", "admin"])}`,
  );
}

function within<T>(source: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (!(cause instanceof KeyManagerError)) throw cause;
    throw new KeyManagerError(cause.code, `${source}: ${cause.message}`, { cause });
  }
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function isTrue(text: string | undefined): boolean {
  return text !== undefined && /^(1|true|yes|on|y|t)$/i.test(text);
}

function isFalse(text: string | undefined): boolean {
  return text !== undefined && /^(0|false|no|off|n|f)$/i.test(text);
}
