import { type Caller, keystoneCaller, keystoneOptionNames } from "../caller.ts";
import { KeyManagerError } from "../errors.ts";
import type { TlsOptions } from "../http/send.ts";
import { suggestion } from "../options.ts";
import type { EndpointInterface } from "./catalog.ts";

/** Who calls, and where: what `OS_*` variables or one cloud of clouds.yaml say. */
export interface CloudSettings {
  readonly caller: Caller;
  /** Of the key manager; undefined: from the catalog. */
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  readonly interface: EndpointInterface | undefined;
  readonly tls: TlsOptions;
}

/** Values under the ecosystem's names in snake case: `auth_url`, `region_name`. Unknown names are ignored. */
export type CloudValues = Readonly<Record<string, string | undefined>>;

const authTypes = new Map([
  ["password", "password"],
  ["v3password", "password"],
  ["token", "token"],
  ["v3token", "token"],
  ["v3applicationcredential", "application_credential"],
] as const);

/**
 * @param source what errors call it: `environment`, `cloud "devstack" of /etc/openstack/clouds.yaml`.
 * @throws `invalid_argument`
 */
export function cloudSettings(source: string, values: CloudValues): CloudSettings {
  const text = (name: string): string | undefined => {
    const value = values[name];
    return value === "" ? undefined : value;
  };
  const credentials: Record<string, unknown> = {};
  for (const name of keystoneOptionNames) {
    const value = name === "authType" ? undefined : text(snakeCase(name));
    if (value !== undefined) credentials[name] = value;
  }
  const authType = text("auth_type");
  if (authType !== undefined) {
    const known = authTypes.get(authType as "password");
    if (known === undefined) {
      const reason = `auth_type "${authType}" is not supported${suggestion(authType, [...authTypes.keys()])}`;
      throw new KeyManagerError("unsupported", `${source}: ${reason}`);
    }
    credentials["authType"] = known;
  }
  return {
    caller: within(source, () => keystoneCaller(credentials)),
    endpoint: text("key_manager_endpoint_override") ?? text("key_manager_endpoint"),
    region: text("region_name"),
    interface: endpointInterface(source, text("interface") ?? text("endpoint_type")),
    tls: {
      caFile: text("cacert"),
      certificateFile: text("cert"),
      keyFile: text("key"),
      insecureSkipVerification: isTrue(text("insecure")) || isFalse(text("verify")),
    },
  };
}

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
