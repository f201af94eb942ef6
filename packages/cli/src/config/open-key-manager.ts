import { statSync } from "node:fs";
import {
  type BackendName,
  backendNames,
  type Caller,
  type CloudSettings,
  type KeyManager,
  KeyManagerError,
  openKeyManager,
  settingsFromEnvironment,
  suggestion,
} from "@chatelaine/keys";
import type { Terminal } from "../terminal/terminal.ts";
import { readIfThere, type Settings } from "./settings.ts";

/** A key manager and its caller. */
export interface Opened {
  readonly keyManager: KeyManager;
  readonly caller: Caller;
}

/**
 * Opens the configured key manager.
 *
 * @throws `invalid_argument` that says how to name a key manager, if nothing does
 */
export function openConfigured(terminal: Terminal, settings: Settings): Opened {
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
export function openSide(
  terminal: Terminal,
  settings: Settings,
  { backend, ...side }: Side,
): Opened {
  const { fixedKeyFile, ...configured } = settings;
  if (backend === "fixed") {
    if (fixedKeyFile !== undefined) return openConfigured(terminal, { backend, fixedKeyFile });
    throw new KeyManagerError(
      "invalid_argument",
      "the fixed key is missing: give --fixed-key-file FILE, or CHATELAINE_FIXED_KEY_FILE",
    );
  }
  const known = side.cloud === undefined ? configured : {};
  const given = Object.entries(side).filter(([, value]) => value !== undefined);
  return openConfigured(terminal, { ...known, ...Object.fromEntries(given), backend });
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

/** The ids of users who may read each key of a new volume or disk, in addition to its owner. */
export function readersOf({ readers = "" }: Settings): readonly string[] {
  return readers
    .split(",")
    .map((id) => id.trim())
    .filter((id) => id !== "");
}

/** The configured Barbican, and the caller. @throws `invalid_argument` */
export function cloudSettings(terminal: Terminal, settings: Settings): CloudSettings {
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

/** No key manager is configured. The message has several lines, and no text from outside. */
export class NoKeyManagerError extends KeyManagerError {
  constructor(options: { readonly cause: unknown }) {
    super("invalid_argument", howToNameOne, options);
  }
}

const howToNameOne = `no key manager is configured. Name one in one of these ways:
  --os-cloud NAME, or OS_CLOUD=NAME    a cloud of clouds.yaml (in ., ~/.config/openstack or /etc/openstack)
  OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME
                                       Keystone credentials, as for the openstack command
  --endpoint URL                       in addition, if the catalog has no key-manager endpoint
  --backend NAME                       a backend other than barbican`;

function readFixedKey(path: string): string {
  const text = readIfThere(path, true) ?? "";
  if ((statSync(path).mode & 0o077) !== 0) {
    throw new KeyManagerError(
      "invalid_argument",
      `${path}: other users can read the fixed key: run chmod 600 ${path}`,
    );
  }
  return text.trim();
}
