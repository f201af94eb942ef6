/**
 * The guest at the keyboard: node interop/guest/main.ts [-s DIR]… [-d FILE|SIZE]… [-m MIB] [-t SECONDS] [-k] -- COMMAND…
 *
 * -s shares a directory read-write; -d adds a disk (a file, or a size such as 256M); -k prints the kernel's messages.
 */
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { runInGuest } from "./guest.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    share: { type: "string", short: "s", multiple: true },
    disk: { type: "string", short: "d", multiple: true },
    memory: { type: "string", short: "m", default: "1024" },
    timeout: { type: "string", short: "t", default: "300" },
    kernel: { type: "boolean", short: "k", default: false },
  },
});

const result = await runInGuest(positionals, {
  shares: values.share ?? [],
  disks: (values.disk ?? []).map((disk) => (existsSync(disk) ? disk : sizeOf(disk))),
  memoryMiB: Number(values.memory),
  timeoutSeconds: Number(values.timeout),
  onOutput: (chunk) => process.stdout.write(chunk),
});
process.stderr.write(result.stderr);
if (values.kernel || result.status >= 124) process.stderr.write(result.console);
process.exitCode = result.status;

function sizeOf(text: string): number {
  const match = /^(\d+)([KMG]?)$/.exec(text);
  if (match === null) throw new Error(`disk ${text}: neither a file nor a size such as 256M`);
  const unit = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[match[2] ?? ""] ?? 1;
  return Number(match[1]) * unit;
}
