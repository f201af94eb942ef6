import { execFile } from "node:child_process";
import { statSync } from "node:fs";
import { promisify } from "node:util";
import { type Diagnosis, diagnosed, type Outcome, ok } from "@chatelaine/server/diagnosis";
import {
  describePlace,
  isExposed,
  isThere,
  type LedgerPlace,
  withLedgerAt,
} from "../config/ledger-place.ts";
import type { Terminal } from "../terminal/terminal.ts";

/** This host: the record of volumes, and what opening volumes in its kernel needs. */
export async function diagnoseHost(
  terminal: Terminal,
  ledger: () => LedgerPlace,
): Promise<readonly Diagnosis[]> {
  const { PATH } = terminal.environment;
  const tool = async (file: string, ...args: readonly string[]) =>
    (await promisify(execFile)(file, args, { env: { PATH } })).stdout.trim();
  return [
    await diagnosed("ledger", () => ledgerOf(ledger())),
    await diagnosed("root", () =>
      process.getuid?.() === 0
        ? ok("yes: volumes can be opened in the kernel")
        : {
            state: "warning",
            found: "no: volumes in files can be made and changed, not opened in the kernel",
            fix: "run chatelaine volume open and chatelaine disk as root",
          },
    ),
    await diagnosed("cryptsetup", () =>
      found(tool("cryptsetup", "--version"), "cryptsetup-bin", "opening volumes in the kernel"),
    ),
    await diagnosed("kernel", () => kernelOf(tool("dmsetup", "targets"))),
    await diagnosed("LVM", () =>
      found(
        tool("lvm", "version").then((text) => text.split("\n")[0]?.trim() ?? ""),
        "lvm2",
        "ephemeral disks",
      ),
    ),
  ];
}

async function ledgerOf(place: LedgerPlace): Promise<Outcome> {
  const where = describePlace(place);
  if (!(await isThere(place)))
    return ok(`${where}: does not exist yet; the first volume creates it`);
  if (place.type === "file") {
    const mode = statSync(place.path).mode & 0o777;
    if ((mode & 0o077) !== 0) {
      const what = `${where}: mode ${mode.toString(8)} lets other users see which key each disk needs`;
      return { state: "warning", found: what, fix: `chmod 600 ${place.path}` };
    }
  }
  return withLedgerAt(place, async (ledger) => {
    const { length } = await ledger.volumes();
    const unfinished = await ledger.unfinished();
    const own = unfinished.filter(({ host }) => host === ledger.host);
    if (own.length === 0 && (await isExposed(place)))
      return {
        state: "warning",
        found: `${where}: ${length} volumes; its network can read and change them`,
        fix: "set sslmode=verify-full in the ledger's URL, and ledgerInsecureTransport: false",
      };
    if (own.length === 0) return ok(`${where}: ${length} volumes`);
    const what = `${where}: ${own.length} operations were interrupted`;
    return { state: "warning", found: what, fix: "chatelaine recover" };
  });
}

async function found(version: Promise<string>, debian: string, use: string): Promise<Outcome> {
  try {
    return ok(await version);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return {
      state: "warning",
      found: missing ? `not installed: ${use} needs it` : String(error),
      fix: `apt-get install ${debian}`,
    };
  }
}

async function kernelOf(targets: Promise<string>): Promise<Outcome> {
  try {
    if (/^crypt\s/m.test(await targets)) return ok("dm-crypt is available");
    return without("dm-crypt is not loaded", "modprobe dm_crypt, or use a kernel that has it");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      return without("dmsetup is not installed", "apt-get install dmsetup");
    return without("device-mapper does not answer", "run as root, on a kernel with device-mapper");
  }
}

function without(what: string, fix: string): Outcome {
  return { state: "warning", found: `${what}: volumes cannot be opened in this kernel`, fix };
}
