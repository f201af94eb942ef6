import type { BarbicanOptions } from "./barbican/client/options.ts";
import { BarbicanKeyManager } from "./barbican/key-manager.ts";
import { FixedKeyManager, type FixedOptions } from "./fixed/key-manager.ts";
import { migratingKeyManager } from "./fixed/migrating.ts";
import { MemoryKeyManager, type MemoryOptions } from "./memory/key-manager.ts";
import { KeyManagerError } from "./model/errors.ts";
import type { KeyManager } from "./model/key-manager.ts";
import { refuseUnknownOptions, suggestion } from "./model/options.ts";

/** The backends that have a name; to add one, add its line here and its folder beside this file. */
const backends = {
  barbican: (config: KeyManagerConfig) => new BarbicanKeyManager(config.barbican),
  fixed: (config: KeyManagerConfig) => {
    if (config.fixed !== undefined) return new FixedKeyManager(config.fixed);
    throw new KeyManagerError(
      "invalid_argument",
      'openKeyManager: the backend "fixed" needs fixed: { key }',
    );
  },
  memory: (config: KeyManagerConfig) => new MemoryKeyManager(config.memory),
};

/** One of {@link backendNames}. */
export type BackendName = "barbican" | "fixed" | "memory";

/** The words that the configuration may name a backend by. */
export const backendNames = Object.keys(backends) as readonly BackendName[];

/** Which backend, and what each needs to know. */
export interface KeyManagerConfig {
  /** One word, or an object that implements the interface. Default `barbican`. */
  readonly backend?: BackendName | KeyManager | undefined;
  /** Options of the backend `barbican`. */
  readonly barbican?: BarbicanOptions | undefined;
  /** Options of the backend `memory`. */
  readonly memory?: MemoryOptions | undefined;
  /**
   * The legacy key. With the backend `fixed` it is all there is; with any other
   * it is served beside it, for volumes that have not been moved yet.
   */
  readonly fixed?: FixedOptions | undefined;
}

/**
 * Opens the key manager that a configuration names.
 *
 * @throws `invalid_argument` for an unknown backend or option, with the likely right spelling.
 */
export function openKeyManager(config: KeyManagerConfig = {}): KeyManager {
  refuseUnknownOptions("openKeyManager", config, ["backend", "barbican", "memory", "fixed"]);
  const chosen = config.backend ?? "barbican";
  if (typeof chosen === "string" && !Object.hasOwn(backends, chosen)) {
    throw new KeyManagerError(
      "invalid_argument",
      `openKeyManager: unknown backend "${chosen}"${suggestion(chosen, backendNames)}`,
    );
  }
  const backend = typeof chosen === "string" ? backends[chosen](config) : complete(chosen);
  if (config.fixed === undefined || chosen === "fixed") return backend;
  return migratingKeyManager(new FixedKeyManager(config.fixed), backend);
}

const methods = [
  "createKey",
  "createKeyPair",
  "store",
  "copy",
  "get",
  "describe",
  "list",
  "delete",
  "location",
] as const satisfies readonly (keyof KeyManager)[];

/** A backend of the user's own, if it has all that the interface asks for. */
function complete(backend: KeyManager): KeyManager {
  const missing = methods.filter((method) => typeof backend?.[method] !== "function");
  if (missing.length === 0) return backend;
  throw new KeyManagerError(
    "invalid_argument",
    `openKeyManager: the backend object is not a KeyManager: it lacks ${missing.join(", ")}`,
  );
}
