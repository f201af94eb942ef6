import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { type ServerConfig } from "../config/config.ts";
import type { PublicUrl } from "../config/public-url.ts";
import { readSettingFile } from "../config/read-setting-file.ts";
import type { Administration } from "../identity/builtin/administration.ts";
import { auditEntryOf } from "../identity/builtin/audit-events.ts";
import { makeFirstUser } from "../identity/builtin/first-start.ts";
import type { KeystoneApi } from "../identity/builtin/keystone-api/keystone-api.ts";
import { openBuiltinIdentity } from "../identity/builtin/open-builtin-identity.ts";
import { SqlIdentityStore } from "../identity/builtin/sql/sql-identity-store.ts";
import type { Identity } from "../identity/identity.ts";
import type { ServiceCredentials } from "../identity/keystone/keystone-options.ts";
import { auditLine } from "../model/audit-entry.ts";
import type { Clock } from "../model/clock.ts";
import { ServerError } from "../model/server-error.ts";
import { eraseProject } from "../store/operations/projects.ts";
import type { Store } from "../store/store.ts";

export interface OpenedIdentity {
  readonly identity: Identity;
  /** Built-in identity's own interface. */
  readonly keystoneApi?: KeystoneApi;
  readonly administration?: Administration;
  /** Call it once the address is known: creates the first user if there is none. */
  readonly ready?: () => Promise<void>;
}

/** The identity that the configuration names. @throws `invalid_config` */
export async function openIdentity(
  config: ServerConfig,
  store: Store,
  clock: Clock,
  publicUrl: () => PublicUrl,
): Promise<OpenedIdentity> {
  if (config.text("identity.mode") === "keystone")
    return { identity: await keystone(config, clock) };
  const region = config.requiredText("identity.region");
  const { identity, api, administration } = openBuiltinIdentity({
    store: new SqlIdentityStore(store),
    publicUrl,
    region,
    tokenSeconds: config.integer("identity.tokenSeconds"),
    serviceTokenRoles: config.list("identity.serviceTokenRoles"),
    nowMs: () => clock.nowMs(),
    audit: (event) => store.record(auditLine(auditEntryOf(event, clock.timestamp()))),
    eraseProject: async (projectId) => {
      await store.write(eraseProject, { projectId });
    },
  });
  const ready = async () => {
    const cloudsFile = join(config.requiredText("dataDirectory"), "clouds.yaml");
    await makeFirstUser({ administration, cloudsFile, publicUrl: publicUrl(), region });
  };
  return { identity, keystoneApi: api, administration, ready };
}

async function keystone(config: ServerConfig, clock: Clock): Promise<Identity> {
  // Its HTTP client is loaded only where there is a Keystone: it would cost the others start-up and memory.
  const { KeystoneIdentity } = await import("../identity/keystone/keystone-identity.ts");
  const caFile = config.text("keystone.caFile");
  const publicUrl = config.text("keystone.publicUrl");
  return new KeystoneIdentity({
    authUrl: config.requiredText("keystone.authUrl"),
    credentials: credentials(config),
    tokenCacheSeconds: config.integer("keystone.tokenCacheSeconds"),
    serviceTokenRoles: config.list("identity.serviceTokenRoles"),
    serviceTokenRolesRequired: config.boolean("keystone.serviceTokenRolesRequired"),
    nowMs: () => clock.nowMs(),
    ...(publicUrl !== undefined && { wwwAuthenticateUri: publicUrl }),
    ...(caFile !== undefined && { ca: certificatesOf(caFile) }),
  });
}

/** @throws `invalid_config` for a file without certificates: Keystone would not be trusted, and every token refused */
function certificatesOf(caFile: string): string {
  const text = readSettingFile("keystone.caFile", caFile).toString();
  if (isCertificate(text)) return text;
  throw new ServerError(
    "invalid_config",
    `keystone.caFile ${caFile}: it has no certificate (PEM); name the file with the certificates of Keystone's authority`,
  );
}

function isCertificate(text: string): boolean {
  try {
    return new X509Certificate(text) instanceof X509Certificate;
  } catch {
    return false;
  }
}

function credentials(config: ServerConfig): ServiceCredentials {
  const id = config.text("keystone.applicationCredentialId");
  if (id !== undefined)
    return {
      type: "application_credential",
      id,
      secret: config.requiredText("keystone.applicationCredentialSecret"),
    };
  return {
    type: "password",
    username: config.requiredText("keystone.username"),
    password: config.requiredText("keystone.password"),
    projectName: config.requiredText("keystone.projectName"),
    userDomainName: config.requiredText("keystone.userDomainName"),
    projectDomainName: config.requiredText("keystone.projectDomainName"),
  };
}
