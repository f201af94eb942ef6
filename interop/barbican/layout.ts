import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Debian packages of the servers. The clients that suites use are named by the suites. */
export const serverPackages = [
  "python3-keystone",
  "python3-barbican",
  "uwsgi-core",
  "uwsgi-plugin-python3",
  "nginx-light",
  "mariadb-server",
  "mariadb-client",
  "python3-pymysql",
] as const;

/** Databases that the lab can run on. SQLite starts faster the first time; MariaDB is what deployments use. */
export type LabDatabase = "mariadb" | "sqlite";

export interface BarbicanLabOptions {
  /** Where all state is kept; default `chatelaine-barbican-lab` in the system's temporary directory. */
  readonly directory?: string;
  /** Default `mariadb`. */
  readonly database?: LabDatabase;
  /** Keystone's TCP port on 127.0.0.1; default 15000. */
  readonly keystonePort?: number;
  /** Barbican with the legacy policy; default 19311. */
  readonly legacyPort?: number;
  /** Barbican with `enforce_scope` and `enforce_new_defaults`; default 19313. */
  readonly securePort?: number;
  /** MariaDB; default 13316. */
  readonly databasePort?: number;
  /** Lines about slow steps; default standard error. */
  readonly log?: (line: string) => void;
}

/** Where everything of one lab is: derived from its options once. */
export interface LabLayout {
  readonly directory: string;
  readonly database: LabDatabase;
  readonly databasePort: number;
  readonly keystonePort: number;
  readonly legacyPort: number;
  readonly securePort: number;
  readonly keystoneUrl: string;
  readonly legacyUrl: string;
  readonly secureUrl: string;
  readonly log: (line: string) => void;
}

/** The region whose key manager has the legacy policy. */
export const legacyRegion = "RegionOne";
/** The region whose key manager has the secure policy. */
export const secureRegion = "RegionSecure";

export function layoutOf(options: BarbicanLabOptions): LabLayout {
  const keystonePort = options.keystonePort ?? 15000;
  const legacyPort = options.legacyPort ?? 19311;
  const securePort = options.securePort ?? 19313;
  const directory = options.directory ?? join(tmpdir(), "chatelaine-barbican-lab");
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  return {
    directory,
    database: options.database ?? "mariadb",
    databasePort: options.databasePort ?? 13316,
    keystonePort,
    legacyPort,
    securePort,
    keystoneUrl: `http://127.0.0.1:${keystonePort}/v3`,
    legacyUrl: `http://127.0.0.1:${legacyPort}`,
    secureUrl: `http://127.0.0.1:${securePort}`,
    log: options.log ?? ((line) => console.error(`barbican lab: ${line}`)),
  };
}
