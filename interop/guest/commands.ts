// Runs inside the guest kernel, as root: `node commands.ts first|second FOLDER`. What an operator types, on a host whose
// key server survives its reboot: the server's data are in FOLDER, and it is started anew in each boot.
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { read, write } from "./device-text.ts";

const [boot, folder = ""] = process.argv.slice(2);
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const unit = here("../../packages/cli/systemd/chatelaine-disks.service");
const fixedKey = "5a".repeat(32);

// As the packages install it; the guest's own files are gone when it ends.
symlinkSync(process.execPath, "/usr/local/sbin/node");
writeFileSync(
  "/usr/local/sbin/chatelaine",
  `#!/bin/sh\nNODE_COMPILE_CACHE=${process.env["NODE_COMPILE_CACHE"]} exec node ${here("../../packages/cli/dist/main.js")} "$@"\n`,
  { mode: 0o755 },
);
const server = await startServer();
mkdirSync("/etc/chatelaine", { recursive: true });
cpSync(join(folder, "server/clouds.yaml"), "/etc/chatelaine/clouds.yaml");
const settings = {
  OS_CLOUD: "chatelaine",
  OS_CLIENT_CONFIG_FILE: "/etc/chatelaine/clouds.yaml",
  CHATELAINE_LEDGER: join(folder, "ledger.sqlite"),
};
writeFileSync(
  "/etc/chatelaine/environment",
  Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join(""),
  { mode: 0o600 },
);

const commandEnvironment = { PATH: process.env["PATH"], HOME: "/root", ...settings };

if (boot === "first") first();
else second();
server.kill("SIGTERM");
await once(server, "exit");

function first(): void {
  execFileSync("pvcreate", ["-q", "/dev/ubda"]);
  execFileSync("vgcreate", ["-q", "vg", "/dev/ubda"]);
  const keys = () => (JSON.parse(chatelaine("key", "list", "--json")) as unknown[]).length;

  for (const name of ["root", "swap", "doomed"]) {
    chatelaine("disk", "create", "vg", name, "--size", "16M", "--instance", "web-1");
    write(`/dev/mapper/${name}-crypt`, `plaintext of ${name}`);
  }
  const foreseen = chatelaine("disk", "destroy", "vg", "doomed", "--dry-run");
  assert.match(foreseen, /^would destroy mapping \/dev\/mapper\/doomed-crypt, logical volume/);
  assert.ok(existsSync("/dev/mapper/doomed-crypt"));
  assert.equal(keys(), 3);
  assert.equal(chatelaine("disk", "destroy", "vg", "doomed"), "destroyed vg/doomed and its key\n");
  assert.ok(!existsSync("/dev/mapper/doomed-crypt"));
  assert.equal(keys(), 2);

  assert.equal(
    chatelaine("disk", "resize", "vg", "swap", "--size", "20M"),
    "/dev/mapper/swap-crypt has 20 MiB\n",
  );
  chatelaine("disk", "snapshot", "vg", "swap", "friday", "--format", "luks2");
  assert.equal(keys(), 3);
  assert.equal(
    chatelaine("disk", "open", "vg", "friday", "--read-only"),
    "/dev/mapper/friday-crypt-ro\n",
  );
  assert.equal(read("/dev/mapper/friday-crypt-ro", 17), "plaintext of swap");
  chatelaine("disk", "close", "vg", "friday", "--read-only");
  chatelaine("disk", "destroy", "vg", "friday");
  assert.equal(keys(), 2);

  execFileSync("lvcreate", ["-q", "-y", "-L", "24M", "-n", "data", "vg"]);
  // Its extents have what a destroyed disk left, so it is not taken for blank.
  assert.equal(run("volume", "create", "/dev/vg/data").status, 6);
  execFileSync("dd", ["if=/dev/zero", "of=/dev/vg/data", "bs=1M", "count=24", "status=none"]);
  chatelaine("volume", "create", "/dev/vg/data", "--label", "data");
  assert.equal(
    chatelaine("volume", "open", "/dev/vg/data", "--name", "data"),
    "/dev/mapper/data\n",
  );
  assert.equal(
    chatelaine("volume", "open", "/dev/vg/data", "--name", "data"),
    "/dev/mapper/data\n",
  );
  write("/dev/mapper/data", "plaintext of data");
  // In use: the key may change all the same, the mapping may not go.
  chatelaine("volume", "rekey", "/dev/vg/data");
  const held = openSync("/dev/mapper/data", "r");
  assert.equal(run("volume", "close", "data").status, 6);
  closeSync(held);
  assert.equal(chatelaine("volume", "close", "data"), "closed data\n");
  assert.equal(chatelaine("volume", "close", "data"), "data was not open\n");

  // As os-brick opens a volume: the hexadecimal text of the key's bytes on standard input.
  const { keyId } = JSON.parse(chatelaine("volume", "inspect", "/dev/vg/data", "--json")) as {
    keyId: string;
  };
  const passphrase = spawnSync("chatelaine", ["key", "get", keyId, "--output", "-"], {
    env: commandEnvironment,
  }).stdout.toString("hex");
  execFileSync("cryptsetup", ["isLuks", "--verbose", "/dev/vg/data"]);
  const open = ["luksOpen", "--key-file=-", "/dev/vg/data", "crypt-data"];
  execFileSync("cryptsetup", open, { input: passphrase });
  assert.equal(read("/dev/mapper/crypt-data", 17), "plaintext of data");
  execFileSync("cryptsetup", ["luksClose", "crypt-data"]);

  // A disk as it was when all disks had one key.
  execFileSync("lvcreate", ["-q", "-y", "-L", "24M", "-n", "old", "vg"]);
  const cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
  const format = ["luksFormat", "--batch-mode", "--type", "luks1", "--key-file=-", ...cheap];
  execFileSync("cryptsetup", [...format, "/dev/vg/old"], { input: fixedKey });
  writeFileSync("/etc/chatelaine/fixed.hex", fixedKey, { mode: 0o600 });
  const migrate = [
    "--fixed-key-file",
    "/etc/chatelaine/fixed.hex",
    "volume",
    "migrate",
    "/dev/vg/old",
  ];
  assert.match(chatelaine(...migrate, "--dry-run"), /and erase key slots 0\n$/);
  assert.match(chatelaine(...migrate), /opens slot 1/);
  const test = ["open", "--test-passphrase", "--key-file=-", "/dev/vg/old"];
  assert.equal(spawnSync("cryptsetup", test, { input: fixedKey }).status, 2);
  assert.match(chatelaine("volume", "verify", "/dev/vg/old"), /opens slot 1/);
  assert.equal(keys(), 4);
}

/** Nothing is mapped; the unit's own line maps it all, with nothing but the unit's environment. */
function second(): void {
  execFileSync("systemd-analyze", ["verify", "--man=no", unit], { stdio: "inherit" });
  const text = readFileSync(unit, "utf8");
  const line = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(text)?.[1] ?? "";
  assert.equal(line("EnvironmentFile"), "/etc/chatelaine/environment");
  assert.ok(!existsSync("/dev/mapper/root-crypt"));
  const [program = "", ...words] = line("ExecStart").split(" ");
  const restored = execFileSync(program, words, {
    encoding: "utf8",
    env: { PATH: process.env["PATH"], ...settings },
  });
  assert.match(restored, /\/dev\/mapper\/root-crypt/);
  for (const name of ["root", "swap"]) {
    assert.equal(read(`/dev/mapper/${name}-crypt`, 17), `plaintext of ${name}`);
  }
  execFileSync("vgchange", ["-q", "-ay", "vg"]);
  const opened = JSON.parse(chatelaine("volume", "open", "--all", "--json")) as {
    readonly path: string;
    readonly opened: { readonly device: string };
  }[];
  assert.deepEqual(
    opened.map(({ path }) => path),
    ["/dev/vg/data", "/dev/vg/old"],
  );
  assert.equal(read(opened[0]?.opened.device ?? "", 17), "plaintext of data");
  const findings = JSON.parse(chatelaine("reconcile", "--json")) as readonly { type: string }[];
  assert.deepEqual(new Set(findings.map(({ type }) => type)), new Set(["ok"]));
}

async function startServer(): Promise<ChildProcess> {
  const config = join(folder, "server.yaml");
  mkdirSync(join(folder, "server"), { recursive: true });
  const listen = { host: "127.0.0.1", port: 19399 };
  writeFileSync(config, stringify({ dataDirectory: join(folder, "server"), listen }));
  const program = here("../server/process.ts");
  const child = spawn(process.execPath, [program, config], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [url] = (await once(child.stdout, "data")) as [Buffer];
  assert.match(url.toString(), /^http/);
  return child;
}

function run(...words: readonly string[]) {
  return spawnSync("chatelaine", words, { encoding: "utf8", env: commandEnvironment });
}

function chatelaine(...words: readonly string[]): string {
  const { status, stdout, stderr } = run(...words);
  assert.equal(status, 0, `chatelaine ${words.join(" ")}: status ${status}: ${stderr}`);
  return stdout;
}
