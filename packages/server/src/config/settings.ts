/**
 * What the text of a setting must be: an address to listen on, an http or https URL, the same without `/v1` and for clients,
 * a file or folder, one line of up to 255 characters, one line that is not shown, and two that are what they are called.
 */
export type TextFormat =
  | "listen host"
  | "http URL"
  | "public URL"
  | "path"
  | "name"
  | "password"
  | "database"
  | "root key";

/** What a setting is: its type, default and meaning. In a variable or a flag it is text; a list has commas there. */
export type Setting = {
  /** One line, units included. */
  readonly help: string;
} & (
  | {
      readonly type: "text" | "list";
      /** Of the text, or of each item. */
      readonly format: TextFormat;
      /** Absent: the setting is unset unless somebody sets it. */
      readonly default?: string;
    }
  | { readonly type: "secret"; readonly format: TextFormat; readonly default?: never }
  | {
      readonly type: "integer";
      readonly default: number;
      /** Least and greatest value. */
      readonly min?: number;
      readonly max?: number;
    }
  | { readonly type: "boolean"; readonly default: boolean }
  /** One of these texts. */
  | { readonly type: readonly string[]; readonly default: string }
);

/**
 * Every setting of the server. A dotted name nests in the file
 * (`listen: { port: 9311 }`), is `CHATELAINE_SERVER_LISTEN_PORT` in the
 * environment, and `--listen-port` as a flag. Flag beats environment beats file.
 */
export const settings = {
  "listen.host": {
    type: "text",
    format: "listen host",
    default: "127.0.0.1",
    help: "address to listen on, without a port; 0.0.0.0 or :: for every address",
  },
  "listen.port": {
    type: "integer",
    default: 9311,
    min: 0,
    max: 65_535,
    help: "port to listen on; 0 for any that is free",
  },
  "listen.trustedProxies": {
    type: "list",
    format: "name",
    help: "addresses and networks (10.0.0.0/8) of proxies that may name their client",
  },
  "listen.forwardedHeader": {
    type: ["x-forwarded-for", "forwarded"],
    default: "x-forwarded-for",
    help: "where a trusted proxy names its client; the other header is never read",
  },
  publicUrl: {
    type: "text",
    format: "public URL",
    help: "address that clients use, without /v1; the base of all refs (default: from listen)",
  },
  acceptedAddresses: {
    type: "list",
    format: "public URL",
    help: "other addresses whose refs are accepted, such as an internal or a former publicUrl",
  },
  dataDirectory: {
    type: "text",
    format: "path",
    default: "/var/lib/chatelaine",
    help: "where the database, the root key and clouds.yaml are",
  },
  database: {
    type: "secret",
    format: "database",
    help: "a SQLite file or a postgres:// URL (default: keys.db in dataDirectory)",
  },
  "postgres.connections": {
    type: "integer",
    default: 8,
    min: 1,
    max: 1_000,
    help: "connections to PostgreSQL of this process",
  },
  "postgres.insecureTransport": {
    type: "boolean",
    default: false,
    help: "weakens security: accept a PostgreSQL on another host without verified TLS, so that its network can read and change every row",
  },
  "rootKey.file": {
    type: "text",
    format: "path",
    help: "the root key's file, mode 0600, made at first start (default: root-key in dataDirectory)",
  },
  "rootKey.value": {
    type: "secret",
    format: "root key",
    help: "the root key itself, 32 bytes in base64, instead of a file",
  },
  "tls.certificateFile": {
    type: "text",
    format: "path",
    help: "certificate chain (PEM); with tls.keyFile, HTTPS alone is served",
  },
  "tls.keyFile": {
    type: "text",
    format: "path",
    help: "private key (PEM), which not everybody may read",
  },
  "identity.mode": {
    type: ["builtin", "keystone"],
    default: "builtin",
    help: "who tells whose an identity token is",
  },
  "identity.tokenSeconds": {
    type: "integer",
    default: 3600,
    min: 1,
    help: "builtin: how long an identity token lives",
  },
  "identity.region": {
    type: "text",
    format: "name",
    default: "RegionOne",
    help: "builtin: region of the catalog",
  },
  "identity.serviceTokenRoles": {
    type: "list",
    format: "name",
    default: "service",
    help: "roles of which a service token needs one",
  },
  "keystone.authUrl": { type: "text", format: "http URL", help: "Keystone's address" },
  "keystone.publicUrl": {
    type: "text",
    format: "http URL",
    help: "the address that clients are told to get a token from (default: keystone.authUrl)",
  },
  "keystone.username": { type: "text", format: "name", help: "of the server's own user" },
  "keystone.password": { type: "secret", format: "password", help: "of the server's own user" },
  "keystone.projectName": {
    type: "text",
    format: "name",
    default: "service",
    help: "project of the server's own user",
  },
  "keystone.userDomainName": {
    type: "text",
    format: "name",
    default: "Default",
    help: "domain of the server's own user",
  },
  "keystone.projectDomainName": {
    type: "text",
    format: "name",
    default: "Default",
    help: "domain of that project",
  },
  "keystone.applicationCredentialId": {
    type: "text",
    format: "name",
    help: "an application credential, instead of a user",
  },
  "keystone.applicationCredentialSecret": {
    type: "secret",
    format: "password",
    help: "its secret",
  },
  "keystone.tokenCacheSeconds": {
    type: "integer",
    default: 300,
    min: 0,
    help: "how long Keystone's answer about a token is believed",
  },
  "keystone.serviceTokenRolesRequired": {
    type: "boolean",
    default: true,
    help: "refuse service tokens without such a role",
  },
  "keystone.caFile": {
    type: "text",
    format: "path",
    help: "certificates (PEM) to trust instead of the system's",
  },
  "policy.rules": {
    type: ["secure", "legacy"],
    default: "secure",
    help: "which of Barbican's two rule sets holds",
  },
  "policy.file": { type: "text", format: "path", help: "policy.yaml that replaces single rules" },
  "quotas.secrets": {
    type: "integer",
    default: -1,
    min: -1,
    help: "secrets a project may have; -1 for no limit",
  },
  "quotas.orders": { type: "integer", default: -1, min: -1, help: "orders a project may have" },
  "quotas.containers": {
    type: "integer",
    default: -1,
    min: -1,
    help: "containers a project may have",
  },
  "quotas.consumers": {
    type: "integer",
    default: -1,
    min: -1,
    help: "consumers a project may register",
  },
  "orders.aes512": {
    type: ["any", "xts"],
    default: "any",
    help: "which orders get an AES key of 512 bits, the two halves of AES-256-XTS: any, or only those whose mode is xts",
  },
  deleteRetentionSeconds: {
    type: "integer",
    default: 0,
    min: 0,
    help: "how long a deleted secret can be restored; 0: it is gone at once",
  },
  "audit.durableReads": {
    type: "boolean",
    default: false,
    help: "a payload leaves only when its audit entry is on the disk",
  },
  "audit.segmentEntries": {
    type: "integer",
    default: 100_000,
    min: 1_000,
    max: 10_000_000,
    help: "seal a part of the audit record after this number of entries",
  },
  "audit.segmentBytes": {
    type: "integer",
    default: 67_108_864,
    min: 1_048_576,
    max: 4_294_967_296,
    help: "seal a part of the audit record when its entries have this size, in bytes",
  },
  "audit.segmentSeconds": {
    type: "integer",
    default: 86_400,
    min: 3_600,
    max: 31_622_400,
    help: "seal a part of the audit record when its first entry is this old",
  },
  "log.level": {
    type: ["debug", "info", "warn", "error", "silent"],
    default: "info",
    help: "least level that is written",
  },
  "log.file": {
    type: "text",
    format: "path",
    help: "where JSON lines go (default: standard error)",
  },
  "metrics.enabled": { type: "boolean", default: true, help: "serve GET /metrics" },
  "limits.bodyBytes": {
    type: "integer",
    default: 1048576,
    min: 1,
    help: "a longer body is refused with 413",
  },
  "limits.payloadBytes": {
    type: "integer",
    default: 20_000,
    min: 1,
    help: "a longer payload is refused with 413; in a JSON body it is its text that counts",
  },
  "limits.pageItems": {
    type: "integer",
    default: 10,
    min: 1,
    help: "items on a page of a list whose caller does not say how many",
  },
  "limits.maxPageItems": {
    type: "integer",
    default: 100,
    min: 1,
    max: 1_000,
    help: "items on a page, whatever the caller says",
  },
  "limits.itemsPerObject": {
    type: "integer",
    default: 250,
    min: 1,
    max: 10_000,
    help: "consumers, members, metadata items or ACL users that one secret or container may have",
  },
  "limits.waitingOrders": {
    type: "integer",
    default: 50,
    min: 1,
    max: 10_000,
    help: "orders of one project that wait for their key pair; another is refused with 429",
  },
  "limits.requestTimeoutMs": {
    type: "integer",
    default: 30000,
    min: 1,
    help: "a request must have arrived whole by then",
  },
} as const satisfies Record<string, Setting>;

/** A setting by its dotted name, such as `listen.port`. */
export type SettingName = keyof typeof settings;

/** All of them, in the order of {@link settings}. */
export const settingNames = Object.keys(settings) as readonly SettingName[];

/** `listen.port` → `--listen-port`. */
export function flagOf(name: SettingName): string {
  return `--${words(name).join("-")}`;
}

/** `listen.port` → `CHATELAINE_SERVER_LISTEN_PORT`. */
export function variableOf(name: SettingName): string {
  return `${variablePrefix}${words(name).join("_").toUpperCase()}`;
}

/** What every environment variable of the server begins with. */
export const variablePrefix = "CHATELAINE_SERVER_";

function words(name: SettingName): readonly string[] {
  return name.split(/\.|(?=[A-Z])/).map((word) => word.toLowerCase());
}
