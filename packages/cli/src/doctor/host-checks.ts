import { execFile } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { promisify } from "node:util";
import { type Diagnosis, diagnosed, type Outcome, ok } from "@chatelaine/server/diagnosis";
import { openLedger } from "@chatelaine/volumes";
import type { Terminal } from "../terminal.ts";

/** This host: the record of volumes, and what opening volumes in its kernel needs. */
export async function diagnoseHost(
  terminal: Terminal,
  ledger: string,
): Promise<readonly Diagnosis[]> {
  const { PATH } = terminal.environment;
  const tool = async (file: string, ...args: readonly string[]) =>
    (await promisify(execFile)(file, args, { env: { PATH } })).stdout.trim();
  return [
    await diagnosed("ledger", () => ledgerOf(ledger)),
    await diagnosed("root", () =>
      process.getuid?.() === 0
        ? ok("yes: volumes can be opened in the kernel")
        : {
            state: "warning",
            found: "no: volumes in files can be made and changed, not opened in the kernel",
            mend: "run chatelaine volume open and chatelaine disk as root",
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

async function ledgerOf(path: string): Promise<Outcome> {
  if (!existsSync(path)) return ok(`${path}: not there yet; the first volume makes it`);
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) !== 0) {
    const what = `${path}: mode ${mode.toString(8)} lets others see which key each disk needs`;
    return { state: "warning", found: what, mend: `chmod 600 ${path}` };
  }
  const ledger = openLedger({ path });
  try {
    const [volumes, unfinished] = [await ledger.volumes(), await ledger.unfinished()];
    if (unfinished.length === 0) return ok(`${path}: ${volumes.length} volumes`);
    const what = `${path}: ${unfinished.length} operations were cut in the middle`;
    return { state: "warning", found: what, mend: "chatelaine recover" };
  } finally {
    await ledger.close();
  }
}

async function found(version: Promise<string>, debian: string, use: string): Promise<Outcome> {
  try {
    return ok(await version);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return {
      state: "warning",
      found: missing ? `not installed: ${use} needs it` : String(error),
      mend: `apt-get install ${debian}`,
    };
  }
}

async function kernelOf(targets: Promise<string>): Promise<Outcome> {
  try {
    if (/^crypt\s/m.test(await targets)) return ok("dm-crypt is there");
    return without("dm-crypt is not loaded", "modprobe dm_crypt, or use a kernel that has it");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      return without("dmsetup is not installed", "apt-get install dmsetup");
    return without("device-mapper does not answer", "run as root, on a kernel with device-mapper");
  }
}

function without(what: string, mend: string): Outcome {
  return { state: "warning", found: `${what}: volumes cannot be opened in this kernel`, mend };
}
