/** clouds.yaml as openstacksdk and as our reader understand it, judged by what each asks of Keystone. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { BarbicanKeyManager, cloudFromFiles, KeyManagerError } from "@chatelaine/keys";
import { stringify } from "yaml";
import { type CloudCase, cloudCases, type Excuse } from "./cloud-cases.ts";
import { KeystoneRecorder } from "./keystone-recorder.ts";

/** What a reader made of a cloud: the login that it sent and the rest, or why it refused. */
type Reading =
  | { readonly type: "asked"; readonly login: unknown; readonly rest: unknown }
  | { readonly type: "refused"; readonly reason: string };

/** What came of all clouds. */
export interface Comparison {
  readonly same: number;
  readonly bothRefused: number;
  /** Differences, by the reason that our documents give. */
  readonly excused: ReadonlyMap<Excuse, number>;
  /** Differences that nothing explains, each with both readings. */
  readonly unexplained: readonly object[];
}

/** Lets both read `count` clouds that `seed` draws. */
export async function compareClouds(count: number, seed: number): Promise<Comparison> {
  const keystone = await KeystoneRecorder.start();
  const folder = mkdtempSync(join(tmpdir(), "chatelaine-clouds-"));
  try {
    const cases = cloudCases(count, seed, (index) => `${keystone.url}/${index}`);
    const folders = cases.map((one, index) => write(join(folder, String(index)), one));
    const theirs = await readTheirs(keystone, folders);
    const ours: Reading[] = [];
    for (const [index, place] of folders.entries()) {
      ours.push(await readOurs(place, () => keystone.takeLogins(String(index))));
    }
    return judge(cases, theirs, ours);
  } finally {
    rmSync(folder, { recursive: true });
    await keystone.stop();
  }
}

function write(folder: string, { clouds, secure, public: vendors }: CloudCase): string {
  mkdirSync(folder);
  for (const [name, content] of Object.entries({ clouds, secure, "clouds-public": vendors })) {
    if (content !== undefined) writeFileSync(join(folder, `${name}.yaml`), stringify(content));
  }
  return folder;
}

interface Rest {
  readonly region: string | null;
  readonly interface: string | null;
  readonly endpoint: string | null;
}

async function readTheirs(
  keystone: KeystoneRecorder,
  folders: readonly string[],
): Promise<readonly Reading[]> {
  const program = fileURLToPath(new URL("clouds-walk.py", import.meta.url));
  const output = await new Promise<string>((resolve, reject) => {
    const options = { env: { PATH: "/usr/bin:/bin", HOME: "/nonexistent" }, maxBuffer: 64 << 20 };
    const child = execFile("/usr/bin/python3", [program], options, (error, stdout) =>
      error === null ? resolve(stdout) : reject(error),
    );
    child.stdin?.end(JSON.stringify(folders));
  });
  const results = JSON.parse(output) as readonly (Rest | { readonly refused: string })[];
  return results.map((result, index) => {
    const [login] = keystone.takeLogins(String(index));
    if ("refused" in result) return { type: "refused", reason: result.refused };
    return { type: "asked", login, rest: restOf(result) };
  });
}

async function readOurs(folder: string, takeLogins: () => readonly unknown[]): Promise<Reading> {
  try {
    const places = { workingDirectory: folder, homeDirectory: "/nonexistent" };
    const {
      caller,
      region,
      interface: face,
      endpoint,
    } = cloudFromFiles({ cloud: "one", ...places });
    const manager = new BarbicanKeyManager({
      endpoint: "http://127.0.0.1:1",
      warn: () => undefined,
    });
    await Array.fromAsync(manager.list(caller)).catch((error: unknown) => {
      if (!(error instanceof KeyManagerError) || error.code !== "unauthenticated") throw error;
    });
    const rest = { region: region ?? null, interface: face ?? null, endpoint: endpoint ?? null };
    const [login] = takeLogins();
    return { type: "asked", login, rest: restOf(rest) };
  } catch (error) {
    if (!(error instanceof KeyManagerError)) throw error;
    return { type: "refused", reason: error.message };
  }
}

function restOf({ region, interface: face, endpoint }: Rest): Rest {
  return {
    region: region === "" ? null : region,
    interface: (face ?? "public").replace(/URL$/, ""),
    endpoint,
  };
}

function judge(
  cases: readonly CloudCase[],
  theirs: readonly Reading[],
  ours: readonly Reading[],
): Comparison {
  const excused = new Map<Excuse, number>();
  const unexplained: object[] = [];
  const counts = { same: 0, bothRefused: 0 };
  for (const [index, one] of cases.entries()) {
    const [their, our] = [theirs[index], ours[index]];
    if (their === undefined || our === undefined) throw new Error(`cloud ${index}: not read`);
    if (their.type === "refused" && our.type === "refused") counts.bothRefused += 1;
    else if (their.type === our.type && isDeepStrictEqual(comparable(their), comparable(our))) {
      counts.same += 1;
    } else if (their.type !== our.type && one.excused[0] !== undefined) {
      excused.set(one.excused[0], (excused.get(one.excused[0]) ?? 0) + 1);
    } else unexplained.push({ ...one, their, our });
  }
  return { ...counts, excused, unexplained };
}

/** Where openstacksdk leaves a domain out, which Keystone then refuses, we name the one with the id `default`. */
function comparable(reading: Reading): unknown {
  return JSON.parse(JSON.stringify(reading).replaceAll(',"domain":{"id":"default"}', ""));
}
