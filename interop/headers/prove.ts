/**
 * `npm run prove -- headers`: hostile LUKS headers with valid checksums. 100,000 of them go through the library's
 * validation, with a row in the ledger, without one, and without one with the key named; of these, 2,000 are opened on a
 * kernel of their own, with another disk beside.
 *
 * With a row, a header is refused, or the disk is mapped as before; without one, it is refused, or the mapping is of our
 * exact grammar and over this disk alone. Anything else is a violation: its header is saved, and the status is 1.
 *
 * --short     every 25th header, 4,000 in all, 50 of them opened: for CI
 * --seed N    other values where they are drawn; default 1
 * --only I    the header of that number alone, in every way
 * --headers N, --opened N   other sizes
 * --from N    begins with that number: several runs can share the work
 * --json      JSON on standard output, and the table on standard error
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { hostileHeader } from "../../packages/luks/test/hostile/hostile-header.ts";
import { type Candidate, chooseSample } from "../../packages/volumes/test/headers/choose-sample.ts";
import type { GuestTrial } from "../../packages/volumes/test/headers/sample.ts";
import { Scene, type SceneDisk, sceneDisks } from "../../packages/volumes/test/headers/scene.ts";
import { outcomes, Tally, type Violation } from "../../packages/volumes/test/headers/tally.ts";
import { tryInProcess } from "../../packages/volumes/test/headers/try-in-process.ts";
import { guestPackages } from "../guest/guest.ts";
import { installPackages } from "../host/debian.ts";
import { formatTable } from "../report.ts";
import { openedWith, openInGuest } from "./open-in-guest.ts";

const { values } = parseArgs({
  options: {
    short: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
    from: { type: "string" },
    headers: { type: "string" },
    opened: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const size = values.short ? { headers: 4000, opened: 50 } : { headers: 100_000, opened: 2000 };
const seed = wholeNumber("seed", values.seed, 1);
const only = values.only === undefined ? undefined : wholeNumber("only", values.only, 0);
/** A short run takes every 25th header of a long one: of all fields, for 25 shares no factor with their number. */
const stride = values.short ? 25 : 1;
const from = wholeNumber("from", values.from, 0);
const headers = only === undefined ? wholeNumber("headers", values.headers, size.headers) : 1;
const opened = only === undefined ? wholeNumber("opened", values.opened, size.opened) : 1;
const log = (line: string) => console.error(`prove headers: ${line}`);
const began = performance.now();
const abort = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => abort.abort());

/** What is saved of a run's violations; a run with more has one cause many times. */
const mostSaved = 50;
const mostPrinted = 40;

installPackages([...guestPackages, ...openedWith], log);
// In memory: each header is written and synchronised.
const folder = mkdtempSync("/dev/shm/prove-headers-");
const tally = new Tally();
const said = new Set<string>();
let scene: Scene | undefined;
try {
  scene = await makeScene();
  const candidates = await checkAll(scene);
  await openSome(scene, chooseSample(candidates, opened, seed));
  const saved = save(scene, tally.violations);
  process.exitCode = report(saved);
} finally {
  await scene?.close();
  rmSync(folder, { recursive: true, force: true });
}

function makeScene(): Promise<Scene> {
  // Of files; the numbers of the devices are those that the guest's disks have.
  const places = Array.from({ length: sceneDisks + 1 }, (_, number) => ({
    path: join(folder, `disk-${number}.img`),
    device: `98:${number * 16}`,
  }));
  const victim = places.at(-1) ?? { path: "", device: "" };
  return Scene.make(folder, places, { ...victim, path: `/dev/ubd${"abcdefgh"[sceneDisks]}` });
}

async function checkAll({ disks }: Scene): Promise<readonly Candidate[]> {
  const candidates: Candidate[] = [];
  const here = scene as Scene;
  let reported = began;
  for (let number = 0; number < headers && !abort.signal.aborted; number++) {
    const header = hostileHeader(disks, seed, only ?? from + number * stride);
    const trials = await tryInProcess(here, header);
    tally.add("checked", header, trials);
    sayNew(trials, header.index);
    candidates.push({
      index: header.index,
      isAttack: header.changes.some(({ field }) => field.startsWith("attack")),
      isAccepted: trials.some(({ verdict }) => verdict.outcome !== "refused"),
    });
    if (performance.now() - reported < 15_000) continue;
    reported = performance.now();
    log(`${number + 1} of ${headers} checked, ${progress()}`);
  }
  log(`${candidates.length} checked, ${progress()}`);
  return candidates;
}

async function openSome({ disks }: Scene, indexes: readonly number[]): Promise<void> {
  let reported = performance.now();
  let trials = 0;
  const onTrial = (trial: GuestTrial) => {
    const { index } = trial;
    if (index === "honest") return;
    trials++;
    tally.add("opened", hostileHeader(disks, seed, index), [trial]);
    sayNew([trial], index);
    if (performance.now() - reported < 15_000) return;
    reported = performance.now();
    log(`opening header ${indexes.indexOf(index) + 1} of ${indexes.length}, ${progress()}`);
  };
  await openInGuest({ seed, indexes }, { folder, onTrial, signal: abort.signal });
  log(`${indexes.length} opened with ${trials} calls, ${progress()}`);
}

/** The first violation of each kind, as soon as it is found. */
function sayNew(trials: readonly Pick<GuestTrial, "verdict">[], index: number): void {
  for (const { verdict } of trials) {
    if (verdict.outcome !== "violation" || said.has(verdict.what)) continue;
    said.add(verdict.what);
    log(`violation: index ${index}: ${verdict.what}`);
  }
}

function progress(): string {
  const minutes = ((performance.now() - began) / 60_000).toFixed(1);
  return `${tally.violations.length} violations, ${minutes} min`;
}

/** The beginnings of disks with offending headers. @returns where; undefined if there are none */
function save({ disks }: Scene, violations: readonly Violation[]): string | undefined {
  if (violations.length === 0) return undefined;
  const kept = mkdtempSync(join(tmpdir(), "hostile-headers-"));
  const indexes = new Set(violations.map(({ index }) => index));
  for (const index of [...indexes].slice(0, mostSaved)) {
    const header = hostileHeader(disks, seed, index);
    const disk = disks[header.disk] as SceneDisk;
    const head = Uint8Array.from(disk.head);
    for (const { offset, bytes } of header.writes) {
      head.set(bytes.subarray(0, Math.max(0, head.length - offset)), offset);
    }
    writeFileSync(join(kept, `seed-${seed}-index-${index}.img`), head);
  }
  return kept;
}

function report(saved: string | undefined): number {
  const rows = tally.rows();
  const { violations } = tally;
  const isComplete = !abort.signal.aborted;
  const table = formatTable([
    ["field", "headers", ...outcomes, ...outcomes.map((outcome) => `opened: ${outcome}`)],
    ...rows.map(({ field, headers: many, checked, opened: inGuest }) => [
      field,
      String(many),
      ...outcomes.map((outcome) => String(checked[outcome])),
      ...outcomes.map((outcome) => String(inGuest[outcome])),
    ]),
  ]);
  const seconds = Math.round((performance.now() - began) / 1000);
  if (values.json) {
    console.log(JSON.stringify({ seed, seconds, isComplete, rows, violations, saved }, null, 2));
    console.error(table);
  } else {
    console.log(table);
  }
  for (const line of kindsOf(violations).slice(0, mostPrinted)) log(line);
  if (saved !== undefined) {
    log(`headers are in ${saved}; again: npm run prove -- headers --seed ${seed} --only INDEX`);
  }
  log(
    `seed ${seed}, ${seconds} s, ${violations.length} violations${isComplete ? "" : ", stopped"}`,
  );
  return violations.length === 0 && isComplete ? 0 : 1;
}

/** One line for each kind of violation, with its first header. */
function kindsOf(violations: readonly Violation[]): readonly string[] {
  const kinds = new Map<string, Violation[]>();
  for (const one of violations) {
    const kind = `${one.by}, ${one.setting}: ${one.what}`;
    const list = kinds.get(kind) ?? [];
    kinds.set(kind, list);
    list.push(one);
  }
  return [...kinds].map(([kind, [first, ...others]]) => {
    const changes = first?.changes.map(({ field, value }) => `${field} = ${value}`).join(", ");
    return `${kind}: index ${first?.index} (${changes}; ${first?.copies}), and ${others.length} more`;
  });
}

function wholeNumber(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  console.error(`prove headers --${name} ${text}: give a whole number`);
  process.exit(2);
}
