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
      /** Absent: the setting has no default. */
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
    help: "port to listen on; 0 for any free port",
  },
  "listen.trustedProxies": {
    type: "list",
    format: "name",
    help: "addresses and networks (10.0.0.0/8) of proxies whose client address header is trusted",
  },
  "listen.forwardedHeader": {
    type: ["x-forwarded-for", "forwarded"],
    default: "x-forwarded-for",
    help: "header in which a trusted proxy sends the client's address; the other header is ignored",
  },
  publicUrl: {
    type: "text",
    format: "public URL",
    help: "public base URL without /v1, used to build links in responses (default: from listen)",
  },
  acceptedAddresses: {
    type: "list",
    format: "public URL",
    help: "other base URLs whose refs are accepted, such as an internal or a former publicUrl",
  },
  dataDirectory: {
    type: "text",
    format: "path",
    default: "/var/lib/chatelaine",
    help: "directory of the database, the root key and clouds.yaml",
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
    help: "maximum PostgreSQL connections of this process",
  },
  "postgres.insecureTransport": {
    type: "boolean",
    default: false,
    help: "weakens security: accept PostgreSQL on another host without verified TLS; its network can then read and change every row",
  },
  "rootKey.file": {
    type: "text",
    format: "path",
    help: "root key file, mode 0600, created at the first start (default: root-key in dataDirectory)",
  },
  "rootKey.value": {
    type: "secret",
    format: "root key",
    help: "root key, 32 bytes in base64, instead of a file",
  },
  "tls.certificateFile": {
    type: "text",
    format: "path",
    help: "certificate chain (PEM); with tls.keyFile, only HTTPS is served",
  },
  "tls.keyFile": {
    type: "text",
    format: "path",
    help: "private key (PEM); the file must not be readable by everybody",
  },
  "identity.mode": {
    type: ["builtin", "keystone"],
    default: "builtin",
    help: "where tokens are validated: builtin or keystone",
  },
  "identity.tokenSeconds": {
    type: "integer",
    default: 3600,
    min: 1,
    help: "builtin: lifetime of a token",
  },
  "identity.region": {
    type: "text",
    format: "name",
    default: "RegionOne",
    help: "builtin: region in the service catalog",
  },
  "identity.serviceTokenRoles": {
    type: "list",
    format: "name",
    default: "service",
    help: "roles of service users; a service token needs one of them",
  },
  "keystone.authUrl": { type: "text", format: "http URL", help: "Keystone's address" },
  "keystone.publicUrl": {
    type: "text",
    format: "http URL",
    help: "URL at which clients get a token (default: keystone.authUrl)",
  },
  "keystone.username": { type: "text", format: "name", help: "name of the server's own user" },
  "keystone.password": {
    type: "secret",
    format: "password",
    help: "password of the server's own user",
  },
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
    help: "application credential id, instead of a user",
  },
  "keystone.applicationCredentialSecret": {
    type: "secret",
    format: "password",
    help: "secret of the application credential",
  },
  "keystone.tokenCacheSeconds": {
    type: "integer",
    default: 300,
    min: 0,
    help: "how long a validated token is cached",
  },
  "keystone.serviceTokenRolesRequired": {
    type: "boolean",
    default: true,
    help: "reject service tokens without one of the service roles",
  },
  "keystone.caFile": {
    type: "text",
    format: "path",
    help: "certificates (PEM) to trust instead of the system's",
  },
  "policy.rules": {
    type: ["secure", "legacy"],
    default: "secure",
    help: "policy defaults: legacy or secure RBAC",
  },
  "policy.file": {
    type: "text",
    format: "path",
    help: "policy.yaml with rules that override the defaults",
  },
  "quotas.secrets": {
    type: "integer",
    default: -1,
    min: -1,
    help: "maximum secrets of a project; -1 for no limit",
  },
  "quotas.orders": {
    type: "integer",
    default: -1,
    min: -1,
    help: "maximum orders of a project; -1 for no limit",
  },
  "quotas.containers": {
    type: "integer",
    default: -1,
    min: -1,
    help: "maximum containers of a project; -1 for no limit",
  },
  "quotas.consumers": {
    type: "integer",
    default: -1,
    min: -1,
    help: "maximum consumers of a project; -1 for no limit",
  },
  "orders.aes512": {
    type: ["any", "xts"],
    default: "any",
    help: "which orders get a 512-bit AES key (two halves of AES-256-XTS): any, or only those with mode xts",
  },
  deleteRetentionSeconds: {
    type: "integer",
    default: 0,
    min: 0,
    help: "how long a deleted secret can be restored; 0 deletes it at once",
  },
  "audit.durableReads": {
    type: "boolean",
    default: false,
    help: "send a payload only after its audit entry is on disk",
  },
  "audit.segmentEntries": {
    type: "integer",
    default: 100_000,
    min: 1_000,
    max: 10_000_000,
    help: "seal an audit segment after this number of entries",
  },
  "audit.segmentBytes": {
    type: "integer",
    default: 67_108_864,
    min: 1_048_576,
    max: 4_294_967_296,
    help: "seal an audit segment at this size, in bytes",
  },
  "audit.segmentSeconds": {
    type: "integer",
    default: 86_400,
    min: 3_600,
    max: 31_622_400,
    help: "seal an audit segment when its first entry is this old",
  },
  "log.level": {
    type: ["debug", "info", "warn", "error", "silent"],
    default: "info",
    help: "minimum log level",
  },
  "log.file": {
    type: "text",
    format: "path",
    help: "file for the JSON log (default: standard error)",
  },
  "metrics.enabled": { type: "boolean", default: true, help: "serve GET /metrics" },
  "limits.bodyBytes": {
    type: "integer",
    default: 1048576,
    min: 1,
    help: "maximum request body; a longer one gets 413",
  },
  "limits.payloadBytes": {
    type: "integer",
    default: 20_000,
    min: 1,
    help: "maximum payload; a longer one gets 413 (in a JSON body its text counts)",
  },
  "limits.pageItems": {
    type: "integer",
    default: 10,
    min: 1,
    help: "page size of a list when the caller gives no limit",
  },
  "limits.maxPageItems": {
    type: "integer",
    default: 100,
    min: 1,
    max: 1_000,
    help: "maximum page size of a list",
  },
  "limits.itemsPerObject": {
    type: "integer",
    default: 250,
    min: 1,
    max: 10_000,
    help: "maximum consumers, members, metadata items or ACL users of one secret or container",
  },
  "limits.waitingOrders": {
    type: "integer",
    default: 50,
    min: 1,
    max: 10_000,
    help: "maximum orders of one project that wait for their key pair; another gets 429",
  },
  "limits.requestTimeoutMs": {
    type: "integer",
    default: 30000,
    min: 1,
    help: "time in which a request must arrive completely",
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
