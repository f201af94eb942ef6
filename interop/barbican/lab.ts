import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Daemons } from "../host/daemons.ts";
import { installPackages } from "../host/debian.ts";
import { SharedPeer } from "../host/shared-peer.ts";
import { barbicansReady, type PolicyMode, startBarbicans } from "./barbican.ts";
import { startDatabase } from "./database.ts";
import { startNginx } from "./front.ts";
import { keystoneReady, startKeystone } from "./keystone.ts";
import { KeystoneAdmin, passwordToken } from "./keystone-admin.ts";
import {
  type BarbicanLabOptions,
  type LabDatabase,
  type LabLayout,
  layoutOf,
  legacyRegion,
  secureRegion,
  serverPackages,
} from "./layout.ts";
import { type LabUserName, labUserNames, projectOf, type Seed, seedKeystone } from "./seed.ts";

export type { BarbicanLabOptions, LabDatabase, LabUserName, PolicyMode };
export { labUserNames };

/** One user of the lab's Keystone, all in the domain `Default`. */
export interface LabUser {
  readonly id: string;
  readonly username: LabUserName;
  readonly password: string;
  readonly projectName: string;
}

/** A real Keystone and two real Barbicans on loopback. */
export interface BarbicanLab {
  /** With `/v3`. */
  readonly keystoneUrl: string;
  /** Barbican with its default, role-based policy; without `/v1`. Region RegionOne. */
  readonly legacyUrl: string;
  /** The same objects behind `enforce_scope` and `enforce_new_defaults`; without `/v1`. Region RegionSecure. */
  readonly secureUrl: string;
  readonly regions: Readonly<Record<PolicyMode, string>>;
  readonly users: Readonly<Record<LabUserName, LabUser>>;
  readonly projectIds: Seed["projectIds"];
  readonly applicationCredential: Seed["applicationCredential"];
  readonly trust: Seed["trust"];
  /** The `OS_*` variables of a user, for a child process or for our own configuration reader. */
  environment(user: LabUserName, mode?: PolicyMode): Record<string, string>;
  /** A fresh identity token, scoped to the user's project or to the one given. */
  token(user: LabUserName, projectName?: string): Promise<string>;
  /** Keystone's REST interface as its administrator. */
  admin(): Promise<KeystoneAdmin>;
  /** Stops what {@link startBarbicanLab} started, unless another program uses it. State stays for the next start. */
  stop(): Promise<void>;
}

/** Raised when the files that this folder writes change: an older lab's state is then thrown away. */
const stateVersion = 2;

interface LabState {
  readonly password: string;
  readonly seed?: Seed;
}

/**
 * Installs (from Debian), configures and starts the lab, or joins the one that runs.
 *
 * The first start takes about half a minute besides the installation, a later one a few seconds. Programs that use the
 * same directory share one lab; the last one to call `stop` stops it.
 *
 * @throws Error with what to do, when packages cannot be installed or a service does not start
 */
export async function startBarbicanLab(options: BarbicanLabOptions = {}): Promise<BarbicanLab> {
  const lab = layoutOf(options);
  installPackages(serverPackages, lab.log);
  const lease = await peerOf(lab).enter(
    () => start(lab),
    () => stopLab(lab),
  );
  return describeLab(lab, lease.value, () => lease.leave());
}

/** Keeps a lab up after its users end, until {@link stopKeptBarbicanLab}: for work at the keyboard. */
export function keepBarbicanLab(options: BarbicanLabOptions = {}): void {
  peerOf(layoutOf(options)).keep();
}

/** Stops a kept lab, unless a program uses it; with `purge` its state is deleted too. */
export async function stopKeptBarbicanLab(
  options: BarbicanLabOptions & { readonly purge?: boolean } = {},
): Promise<void> {
  const lab = layoutOf(options);
  await peerOf(lab).release(async () => {
    await stopLab(lab);
    if (options.purge === true) purgeState(lab);
  });
}

function peerOf(lab: LabLayout): SharedPeer {
  return new SharedPeer(lab.directory);
}

async function start(lab: LabLayout): Promise<Required<LabState>> {
  const version = `${stateVersion} ${lab.database} ${lab.keystonePort} ${lab.legacyPort} ${lab.securePort}`;
  const versionFile = join(lab.directory, "version");
  const stateFile = join(lab.directory, "state.json");
  if (!existsSync(versionFile) || readFileSync(versionFile, "utf8") !== version) {
    await stopLab(lab);
    purgeState(lab);
    writeFileSync(versionFile, version);
  }
  const daemons = new Daemons(lab.directory);
  let state: LabState = existsSync(stateFile)
    ? (JSON.parse(readFileSync(stateFile, "utf8")) as LabState)
    : { password: randomBytes(12).toString("hex") };
  const save = () => writeFileSync(stateFile, JSON.stringify(state), { mode: 0o600 });
  save();

  const urls = await startDatabase(lab, daemons, state.password);
  await startNginx(lab, daemons);
  await startKeystone(lab, daemons, urls.keystone, state.password);
  await startBarbicans(lab, daemons, urls.barbican, state.password);
  await keystoneReady(lab, daemons);
  const seed = state.seed ?? (await seedKeystone(lab, state.password));
  state = { ...state, seed };
  save();
  await barbicansReady(lab, daemons);
  return { password: state.password, seed };
}

async function stopLab(lab: LabLayout): Promise<void> {
  const daemons = new Daemons(lab.directory);
  for (const name of ["nginx", "barbican-legacy", "barbican-secure", "keystone", "mariadb"]) {
    await daemons.stop(name);
  }
}

/** Deletes everything but what {@link SharedPeer} holds there. */
function purgeState(lab: LabLayout): void {
  for (const name of readdirSync(lab.directory)) {
    if (name === "lock" || name === "leases") continue;
    rmSync(join(lab.directory, name), { recursive: true, force: true });
  }
}

function describeLab(
  lab: LabLayout,
  state: Required<LabState>,
  stop: () => Promise<void>,
): BarbicanLab {
  const { password, seed } = state;
  const regions = { legacy: legacyRegion, secure: secureRegion };
  const users = Object.fromEntries(
    labUserNames.map((username) => [
      username,
      { id: seed.userIds[username], username, password, projectName: projectOf(username) },
    ]),
  ) as Record<LabUserName, LabUser>;
  const token = (user: LabUserName, projectName = projectOf(user)) =>
    passwordToken(lab.keystoneUrl, { username: user, password, projectName });
  return {
    keystoneUrl: lab.keystoneUrl,
    legacyUrl: lab.legacyUrl,
    secureUrl: lab.secureUrl,
    regions,
    users,
    projectIds: seed.projectIds,
    applicationCredential: seed.applicationCredential,
    trust: seed.trust,
    environment: (user, mode = "legacy") => ({
      OS_AUTH_TYPE: "password",
      OS_AUTH_URL: lab.keystoneUrl,
      OS_IDENTITY_API_VERSION: "3",
      OS_USERNAME: user,
      OS_PASSWORD: password,
      OS_USER_DOMAIN_NAME: "Default",
      OS_PROJECT_NAME: projectOf(user),
      OS_PROJECT_DOMAIN_NAME: "Default",
      OS_REGION_NAME: regions[mode],
      OS_INTERFACE: "public",
    }),
    token,
    admin: async () => new KeystoneAdmin(lab.keystoneUrl, await token("admin")),
    stop,
  };
}
