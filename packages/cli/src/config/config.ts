import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import {
  type BackendName,
  backendNames,
  type Caller,
  type CloudSettings,
  type KeyManager,
  KeyManagerError,
  openKeyManager,
  refuseUnknownOptions,
  settingsFromEnvironment,
  suggestion,
} from "@chatelaine/keys";
import { parse } from "yaml";
import type { Terminal } from "../terminal/terminal.ts";
import { hasPassword, isDatabaseUrl, type LedgerPlace } from "./ledger-place.ts";

/** Where keys come from: what flags, environment and configuration file can say. */
export interface Settings {
  /** One word: `barbican` (default), `fixed` or `memory`. */
  readonly backend?: string | undefined;
  /** A cloud of clouds.yaml. */
  readonly cloud?: string | undefined;
  /** Of the key manager. Default: from the catalog. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  readonly interface?: string | undefined;
  /** A file of mode 0600 with the legacy fixed key in hexadecimal, for volumes that still have it. */
  readonly fixedKeyFile?: string | undefined;
  /** Ids of users, with commas between, who may read each key that a volume or disk is given. */
  readonly readers?: string | undefined;
  /** Whose volumes these are, where a service's credentials make the keys: a label. Default: the credentials' project. */
  readonly forProject?: string | undefined;
  /** What records volumes and what is being done to them: a file, or the URL of a PostgreSQL that hosts share. */
  readonly ledger?: string | undefined;
  /** This machine's name in a ledger that hosts share. Default: its host name. */
  readonly ledgerHost?: string | undefined;
  /** `true` weakens security: a ledger's database on another host is used without verified TLS. No flag has it. */
  readonly ledgerInsecureTransport?: string | undefined;
}

/** Settings as flags give them, and which configuration file the others are in. */
export type Flags = Settings & { readonly config?: string | undefined };

const variables = {
  backend: "CHATELAINE_BACKEND",
  cloud: "OS_CLOUD",
  endpoint: "CHATELAINE_ENDPOINT",
  region: "OS_REGION_NAME",
  interface: "OS_INTERFACE",
  fixedKeyFile: "CHATELAINE_FIXED_KEY_FILE",
  readers: "CHATELAINE_READERS",
  forProject: "CHATELAINE_FOR_PROJECT",
  ledger: "CHATELAINE_LEDGER",
  ledgerHost: "CHATELAINE_LEDGER_HOST",
  ledgerInsecureTransport: "CHATELAINE_LEDGER_INSECURE_TRANSPORT",
} as const satisfies Record<keyof Settings, string>;

const settingNames = Object.keys(variables) as readonly (keyof Settings)[];

/** A key manager, and on whose behalf it is called. */
export interface Opened {
  readonly keyManager: KeyManager;
  readonly caller: Caller;
}

/**
 * Opens the key manager that the flags name, else the environment, else the
 * configuration file (`--config`, `CHATELAINE_CONFIG`, or
 * `chatelaine/config.yaml` below the user's configuration folder and /etc).
 *
 * @throws `invalid_argument` that says how to name a key manager, if nothing does
 */
export function openConfigured(terminal: Terminal, flags: Flags): Opened {
  return openSettings(terminal, mergedSettings(terminal, flags));
}

/** One of two key managers that a command works with. */
export interface Side {
  readonly backend: BackendName;
  readonly cloud?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  readonly interface?: string | undefined;
}

/**
 * Opens one of two key managers. What is not said of it is as configured for a
 * single one; but to name its cloud is to say all of it.
 *
 * @throws `invalid_argument`
 */
export function openSide(terminal: Terminal, flags: Flags, { backend, ...side }: Side): Opened {
  const { fixedKeyFile, ...configured } = mergedSettings(terminal, flags);
  if (backend === "fixed") {
    if (fixedKeyFile !== undefined) return openSettings(terminal, { backend, fixedKeyFile });
    throw new KeyManagerError(
      "invalid_argument",
      "the fixed key is not named: give --fixed-key-file FILE, or CHATELAINE_FIXED_KEY_FILE",
    );
  }
  const known = side.cloud === undefined ? configured : {};
  const given = Object.entries(side).filter(([, value]) => value !== undefined);
  return openSettings(terminal, { ...known, ...Object.fromEntries(given), backend });
}

/** @throws `invalid_argument` that lists the backends */
export function parseBackend(setting: string, text: string): BackendName {
  const name = backendNames.find((each) => each === text);
  if (name !== undefined) return name;
  throw new KeyManagerError(
    "invalid_argument",
    `${setting} ${text}: unknown backend: use one of ${backendNames.join(", ")}${suggestion(text, backendNames)}`,
  );
}

function openSettings(terminal: Terminal, settings: Settings): Opened {
  const warn = (message: string) => terminal.error(`warning: ${message}\n`);
  const fixed =
    settings.fixedKeyFile === undefined
      ? undefined
      : { key: readFixedKey(settings.fixedKeyFile), warn };
  const backend = parseBackend("backend", settings.backend ?? "barbican");
  if (backend !== "barbican") {
    const local: Caller = { type: "project", projectId: "local", userId: "local" };
    return { keyManager: openKeyManager({ backend, fixed, memory: { warn } }), caller: local };
  }
  const { caller, ...barbican } = cloudSettings(terminal, settings);
  return { keyManager: openKeyManager({ barbican: { ...barbican, warn }, fixed }), caller };
}

/** Who calls which Barbican, by what {@link openConfigured} goes by. @throws `invalid_argument` */
export function configuredCloud(terminal: Terminal, flags: Flags): CloudSettings {
  return cloudSettings(terminal, mergedSettings(terminal, flags));
}

/**
 * Where the ledger is: as configured, else /var/lib/chatelaine/ledger.sqlite for
 * root, and below the user's state folder for anybody else.
 *
 * @throws `invalid_argument` if a password is where others can read it
 */
export function ledgerPlace(terminal: Terminal, flags: Flags): LedgerPlace {
  const {
    ledger,
    ledgerHost = hostname(),
    ledgerInsecureTransport = "false",
  } = mergedSettings(terminal, flags);
  if (ledger === undefined)
    return { type: "file", path: join(stateFolder(terminal), "ledger.sqlite") };
  if (!isDatabaseUrl(ledger)) {
    return { type: "file", path: resolve(terminal.workingDirectory, ledger) };
  }
  if (hasPassword(ledger) && ledger === flags.ledger) {
    throw new KeyManagerError(
      "invalid_argument",
      "--ledger: everybody can read a password among the arguments: put it into ~/.pgpass or PGPASSWORD, or the URL into the configuration file",
    );
  }
  if (ledgerHost === "localhost") {
    throw new KeyManagerError(
      "invalid_argument",
      "ledger: this machine is called localhost, as others are: name it by --ledger-host or CHATELAINE_LEDGER_HOST",
    );
  }
  if (ledgerInsecureTransport !== "true" && ledgerInsecureTransport !== "false") {
    throw new KeyManagerError(
      "invalid_argument",
      "ledgerInsecureTransport (CHATELAINE_LEDGER_INSECURE_TRANSPORT): it must be true or false",
    );
  }
  const insecureTransport = ledgerInsecureTransport === "true";
  return { type: "postgres", url: ledger, host: ledgerHost, insecureTransport };
}

/** The record of a migration, beside the ledger: another one for each pair of source and target. */
export function migrationJournalPath(terminal: Terminal, source: string, target: string): string {
  const pair = createHash("sha256").update(`${source}\n${target}`).digest("hex").slice(0, 12);
  return join(stateFolder(terminal), `migration-${pair}.sqlite`);
}

function stateFolder({ environment, homeDirectory }: Terminal): string {
  const state = environment["XDG_STATE_HOME"] || join(homeDirectory, ".local/state");
  return join(process.getuid?.() === 0 ? "/var/lib" : state, "chatelaine");
}

/** The label of the project whose volumes are worked on; undefined for the credentials' own. */
export function projectLabel(terminal: Terminal, flags: Flags): string | undefined {
  return mergedSettings(terminal, flags).forProject;
}

/** Who may read each key that a volume or disk is given, besides its owner. */
export function readersOf(terminal: Terminal, flags: Flags): readonly string[] {
  const { readers = "" } = mergedSettings(terminal, flags);
  return readers
    .split(",")
    .map((id) => id.trim())
    .filter((id) => id !== "");
}

function mergedSettings(terminal: Terminal, flags: Flags): Settings {
  const file = readConfigFile(terminal, flags.config);
  const merged: Record<string, string | undefined> = {};
  for (const name of settingNames) {
    merged[name] =
      flags[name] ?? (terminal.environment[variables[name]] || undefined) ?? file[name];
  }
  return merged;
}

function cloudSettings(terminal: Terminal, settings: Settings): CloudSettings {
  const { environment, workingDirectory: working, homeDirectory: home } = terminal;
  try {
    const environmentNow = { ...environment, OS_CLOUD: settings.cloud };
    const { region } = settings;
    const cloud = settingsFromEnvironment(environmentNow, { working, home, region });
    return {
      ...cloud,
      endpoint: settings.endpoint ?? cloud.endpoint,
      region: region ?? cloud.region,
      interface: (settings.interface as CloudSettings["interface"]) ?? cloud.interface,
    };
  } catch (cause) {
    const unnamed =
      settings.cloud === undefined &&
      ["OS_AUTH_URL", "OS_TOKEN", "OS_AUTH_TOKEN"].every((name) => !environment[name]);
    if (unnamed && cause instanceof KeyManagerError) throw new NoKeyManagerError({ cause });
    throw cause;
  }
}

/** Nothing names a key manager. The message has lines of its own, and no words of anybody else. */
export class NoKeyManagerError extends KeyManagerError {
  constructor(options: { readonly cause: unknown }) {
    super("invalid_argument", howToNameOne, options);
  }
}

const howToNameOne = `no key manager is named. Name one in one of these ways:
  --os-cloud NAME, or OS_CLOUD=NAME    a cloud of clouds.yaml (in ., ~/.config/openstack or /etc/openstack)
  OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME
                                       Keystone credentials, as for the openstack command
  --endpoint URL                       besides either, if the catalog has no key-manager endpoint
  --backend NAME                       another backend than barbican`;

function readConfigFile(terminal: Terminal, named: string | undefined): Settings {
  const { environment, homeDirectory } = terminal;
  const chosen = named ?? (environment["CHATELAINE_CONFIG"] || undefined);
  const user = environment["XDG_CONFIG_HOME"] || join(homeDirectory, ".config");
  const places =
    chosen === undefined
      ? [join(user, "chatelaine/config.yaml"), "/etc/chatelaine/config.yaml"]
      : [chosen];
  for (const path of places) {
    const text = readIfThere(path, chosen !== undefined);
    if (text !== undefined) return parseConfig(path, text);
  }
  return {};
}

function parseConfig(path: string, text: string): Settings {
  if (text.trim() === "")
    throw new KeyManagerError(
      "invalid_argument",
      `${path}: the file is empty, as a write that was cut short leaves it; write it again, or {} for the defaults`,
    );
  let content: unknown;
  try {
    content = parse(text, { logLevel: "error" }) ?? {};
  } catch {
    throw new KeyManagerError("invalid_argument", `${path}: it is no valid YAML`);
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw new KeyManagerError(
      "invalid_argument",
      `${path}: it must be a mapping of ${settingNames.join(", ")}`,
    );
  }
  refuseUnknownOptions(path, content, settingNames);
  const written = { ...content } as Record<string, unknown>;
  const { ledgerInsecureTransport: insecure } = written;
  if (typeof insecure === "boolean") written["ledgerInsecureTransport"] = String(insecure);
  for (const [name, value] of Object.entries(written)) {
    if (typeof value !== "string")
      throw new KeyManagerError("invalid_argument", `${path}: ${name} must be text`);
  }
  const { ledger = "" } = content as Settings;
  if (isDatabaseUrl(ledger) && hasPassword(ledger) && (statSync(path).mode & 0o077) !== 0) {
    throw new KeyManagerError(
      "invalid_argument",
      `${path}: others may read the password of the ledger's database: chmod 600 ${path}`,
    );
  }
  return written;
}

function readIfThere(path: string, mustExist: boolean): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (!mustExist && (code === "ENOENT" || code === "ENOTDIR")) return undefined;
    throw new KeyManagerError(
      "invalid_argument",
      `${path}: cannot be read: ${code ?? "unknown error"}`,
      { cause },
    );
  }
}

function readFixedKey(path: string): string {
  const text = readIfThere(path, true) ?? "";
  if ((statSync(path).mode & 0o077) !== 0) {
    throw new KeyManagerError(
      "invalid_argument",
      `${path}: others may read the fixed key: chmod 600 ${path}`,
    );
  }
  return text.trim();
}

/** The process's own, read here and nowhere else. */
export const environment: Terminal["environment"] = process.env;
