import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { type Diagnosis, type Outcome, ok } from "./diagnosis.ts";

export { ignoredSignals } from "../model/ignored-signals.ts";

const coredumpFilter = "/proc/self/coredump_filter";

/**
 * Closes the doors by which Node.js gives away what is in this process's memory. To be called first, by a program that
 * owns the whole process; `chatelaine` does, for each of its commands.
 *
 * - SIGUSR1 no longer opens a debugger, which any account of the host could use.
 * - Signals no longer write heap snapshots (`--heapsnapshot-signal`) or diagnostic reports (`--report-on-signal`), and
 *   crashes no longer write reports. Listeners for signals that were there already are removed for this.
 * - Core dumps of this process, and of those that it starts, have no memory in them, whatever `ulimit -c` says (Linux).
 *
 * What cannot be closed from inside is in {@link openDoors}.
 */
export function closeRuntimeDoors(): void {
  for (const name of process.eventNames())
    if (String(name).startsWith("SIG")) process.removeAllListeners(name);
  process.on("SIGUSR1", ignoreSignal);
  const { report } = process;
  report.reportOnSignal = false;
  report.reportOnFatalError = false;
  report.reportOnUncaughtException = false;
  report.excludeEnv = true;
  try {
    writeFileSync(coredumpFilter, "0");
  } catch {
    // No Linux, or no /proc: the doctor says so.
  }
}

function ignoreSignal(): void {}

/** The environment variables that Node.js itself reads, such as `NODE_OPTIONS`. */
export type RuntimeEnvironment = Readonly<Record<string, string | undefined>>;

/** A door that cannot be closed from inside. */
export interface OpenDoor {
  readonly check: "debugger" | "memory files" | "TLS verification";
  /** What an attacker can do through it. */
  readonly found: string;
  /** How to start the process without it. */
  readonly fix: string;
}

/**
 * Lists the doors that {@link closeRuntimeDoors} cannot close. A program that holds keys should not go on with one.
 *
 * @param environment The process's, with `NODE_OPTIONS` and `NODE_TLS_REJECT_UNAUTHORIZED`.
 */
export function openDoors(environment: RuntimeEnvironment): readonly OpenDoor[] {
  const doors: OpenDoor[] = [];
  const address = debuggerAddress();
  if (address !== undefined)
    doors.push({
      check: "debugger",
      found: `a debugger listens on ${address}: any account of this host can read keys through it`,
      fix: "start without --inspect, also in NODE_OPTIONS",
    });
  for (const { option, effect } of writers)
    if (optionsIn(environment).some(({ name, value }) => name === option && value !== "0"))
      doors.push({
        check: "memory files",
        found: `${option} writes ${effect} to a file`,
        fix: `start without ${option}, also in NODE_OPTIONS`,
      });
  // Node.js compares the text, and takes no other for it.
  if (environment[verification] === "0")
    doors.push({
      check: "TLS verification",
      found: `${verification}=0 accepts every TLS certificate: anyone on the way can read tokens and keys`,
      fix: `unset ${verification}, and name the authority of a private certificate: in the setting keystone.caFile, cacert of clouds.yaml or NODE_EXTRA_CA_CERTS`,
    });
  return doors;
}

const verification = "NODE_TLS_REJECT_UNAUTHORIZED";

/** Node.js cannot stop these. */
const writers = [
  { option: "--heapsnapshot-near-heap-limit", effect: "the memory, keys included," },
  { option: "--tls-keylog", effect: "the keys of TLS connections" },
] as const;

/** They run code, or read options, before this program does. */
const preloads: ReadonlySet<string> = new Set([
  "-r",
  "--require",
  "--import",
  "--loader",
  "--experimental-loader",
  "--experimental-config-file",
  "--experimental-default-config-file",
]);

/** Looks at the doors of this process. @param environment see {@link openDoors} */
export function diagnoseRuntime(environment: RuntimeEnvironment): readonly Diagnosis[] {
  const open = openDoors(environment);
  const [debugging, writing, accepting] = (
    ["debugger", "memory files", "TLS verification"] as const
  ).map((check) => open.find((door) => door.check === check));
  return [
    { check: "debugger", ...(debugging ? bad(debugging) : signalOutcome()) },
    { check: "memory files", ...(writing ? bad(writing) : reportOutcome()) },
    { check: "core dumps", ...coreOutcome() },
    { check: "preloaded code", ...preloadOutcome(environment) },
    {
      check: "TLS verification",
      ...(accepting ? bad(accepting) : ok("certificates are verified")),
    },
  ];
}

function bad({ found, fix }: OpenDoor): Outcome {
  return { state: "bad", found, fix };
}

function signalOutcome(): Outcome {
  const closed =
    process.listenerCount("SIGUSR1") > 0 || process.execArgv.includes("--disable-sigusr1");
  if (closed) return ok("closed, and SIGUSR1 does not open it");
  return {
    state: "bad",
    found: "SIGUSR1 opens one, and any account of this host can then read keys",
    fix: "start Node.js with --disable-sigusr1, or call closeRuntimeDoors() first",
  };
}

function reportOutcome(): Outcome {
  const { reportOnSignal, reportOnFatalError, reportOnUncaughtException } = process.report;
  if (!reportOnSignal && !reportOnFatalError && !reportOnUncaughtException)
    return ok("none: no signal and no crash writes a report or a heap snapshot");
  return {
    state: "warning",
    found: "a signal or a crash writes a report, with the environment in it",
    fix: "start without the --report options, also in NODE_OPTIONS",
  };
}

function coreOutcome(): Outcome {
  let limit: string | undefined;
  let filter: number;
  try {
    limit = /^Max core file size\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    filter = Number.parseInt(readFileSync(coredumpFilter, "utf8"), 16);
  } catch {
    return { state: "not checked", found: "there is no /proc to ask" };
  }
  if (filter === 0) return ok("without memory, and so without keys");
  if (limit === "0")
    return ok(
      "none: the limit is 0 (a program that core_pattern names may write them all the same)",
    );
  return {
    state: "bad",
    found: "a crash writes the memory, keys included, to a file",
    fix: "set LimitCORE=0 in the unit, or ulimit -c 0, or call closeRuntimeDoors() first",
  };
}

function preloadOutcome(environment: RuntimeEnvironment): Outcome {
  const found = optionsIn(environment).filter(({ name }) => preloads.has(name));
  if (found.length === 0) return ok("none");
  const list = found
    .map(({ name, value }) => (value === "" ? name : `${name} ${value}`))
    .join(", ");
  return {
    state: "warning",
    found: `${list}: that code can read every key`,
    fix: "unset NODE_OPTIONS unless you trust it as you trust chatelaine",
  };
}

function debuggerAddress(): string | undefined {
  if (!hasSocket()) return undefined;
  let url: string | undefined;
  try {
    url = process.getBuiltinModule("node:inspector").url();
  } catch {
    return undefined; // a Node.js without a debugger
  }
  // The rest of the URL is what a client needs to connect.
  return url === undefined ? undefined : new URL(url).host;
}

/** Asking Node.js for its debugger takes 3 MiB for good; without a socket, which nearly every process starts without, it has none. */
function hasSocket(): boolean {
  try {
    return readdirSync("/proc/self/fd").some((fd) => Number(fd) > 2 && isSocket(fd));
  } catch {
    return true; // no /proc to ask
  }
}

function isSocket(fd: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:");
  } catch {
    return false; // the one that listed the others
  }
}

interface NodeOption {
  readonly name: string;
  readonly value: string;
}

/** What Node.js was started with: from the environment, and from the command line. */
function optionsIn(environment: RuntimeEnvironment): readonly NodeOption[] {
  const words = (environment["NODE_OPTIONS"] ?? "").match(/"(?:[^"\\]|\\.)*"|[^\s"]+/g) ?? [];
  return [words.map((word) => word.replaceAll('"', "")), process.execArgv].flatMap(optionsOf);
}

/** Node.js takes `_` for `-`, and values behind `=` or a blank. */
function optionsOf(words: readonly string[]): readonly NodeOption[] {
  return words.flatMap((word, index) => {
    if (!word.startsWith("-")) return [];
    const [name = "", ...value] = word.split("=");
    const next = words[index + 1] ?? "-";
    const behind = value.length > 0 || next.startsWith("-") ? "" : next;
    return [{ name: name.replaceAll("_", "-"), value: value.join("=") || behind }];
  });
}
