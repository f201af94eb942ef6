import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { BarbicanKeyManager } from "@chatelaine/keys";
import {
  giveLibvirtSecret,
  libvirtDisk,
  openLedger,
  takeLibvirtSecret,
  type VolumeContext,
  withVolumeData,
} from "@chatelaine/volumes";
import { Daemons } from "../host/daemons.ts";
import { runTool } from "../host/run-tool.ts";
import { waitFor } from "../host/wait-for.ts";
import { KeyServerProcess, ServerFolder } from "../server/key-server.ts";
import { makeTenants } from "../server/tenants.ts";

/** Of Debian's `nobody`: a daemon of its own, which neither disturbs the host's nor another suite's. */
const nobody = 65_534;
const greeting = "read from an encrypted volume";

const directory = mkdtempSync(join(tmpdir(), "libvirt-interop-"));
chmodSync(directory, 0o755);
const home = join(directory, "home");
const connect = `qemu+unix:///session?socket=${home}/run/libvirt/libvirt-sock`;
const daemons = new Daemons(join(directory, "daemons"));
const path = join(directory, "disk & 'quoted'.img");
const serverFolder = new ServerFolder();
let server: KeyServerProcess;
let volumes: VolumeContext;
/** The volumes' owner, as the command is told of him. */
let environment: Readonly<Record<string, string>>;

before(async () => {
  server = await KeyServerProcess.start(serverFolder);
  const { libvirt } = await makeTenants(server.url, serverFolder.adminPassword(), ["libvirt"]);
  environment = libvirt.environment;
  const keyManager = new BarbicanKeyManager({ endpoint: server.url });
  const ledger = openLedger({ path: join(directory, "ledger.sqlite") });
  volumes = { keyManager, caller: libvirt.caller, ledger };
  for (const folder of [home, join(home, "run"), join(home, "config/libvirt")]) {
    mkdirSync(folder, { recursive: true });
    chownSync(folder, nobody, nobody);
  }
  const settings = 'stdio_handler = "file"\nsecurity_driver = "none"\n';
  writeFileSync(join(home, "config/libvirt/qemu.conf"), settings);
  writeFileSync(join(home, "libvirtd.conf"), 'auth_unix_rw = "none"\n');
  await daemons.start("libvirtd", {
    command: "libvirtd",
    args: ["--config", join(home, "libvirtd.conf")],
    uid: nobody,
    gid: nobody,
    env: {
      HOME: home,
      XDG_RUNTIME_DIR: join(home, "run"),
      XDG_CONFIG_HOME: join(home, "config"),
      XDG_CACHE_HOME: join(home, "cache"),
    },
  });
  await waitFor("libvirtd", 60, () => (virsh("version").status === 0 ? true : undefined));
});

after(async () => {
  virsh("destroy", "guest");
  await daemons.stop("libvirtd");
  await volumes.ledger.close();
  await server.stop();
  serverFolder.remove();
  rmSync(directory, { recursive: true });
});

describe("a volume presented to libvirt", () => {
  it("boots a guest, with the XML that the command prints and a secret that it gives", async () => {
    command("volume", "create", path, "--size", "1M", "--format", "luks1");
    await withVolumeData(volumes, path, (disk) => disk.write(0, bootSector(greeting)), "write");
    assert.ok(!readFileSync(path).includes(greeting));
    chownSync(path, nobody, nobody);
    const diskXml = command("volume", "libvirt", path, "--connect", connect);
    assert.equal(await boot(diskXml), greeting);
  });

  it("has its secret in libvirt's memory alone, and libvirt shows it to nobody", async () => {
    const disk = await libvirtDisk(volumes, path);
    const { secretId } = disk;
    assert.match(virsh("secret-dumpxml", secretId).stdout, /ephemeral='yes' private='yes'/);
    const asked = virsh("secret-get-value", secretId);
    assert.deepEqual([asked.status, asked.stdout.trim()], [1, ""]);
    assert.match(asked.stderr, /private/);
    const passphrase = await disk.lendPassphrase(async (bytes) => Buffer.from(bytes).toString());
    const forms = [passphrase, Buffer.from(passphrase).toString("base64")];
    const words = forms.flatMap((form) => ["-e", form]);
    const found = spawnSync("grep", ["-rFl", ...words, home, "/proc/self/mounts"]);
    assert.deepEqual([found.status, found.stdout.toString()], [1, ""]);
  });

  it("is refused without the secret, with a wrong one, and in LUKS2", async () => {
    const disk = await libvirtDisk(volumes, path, { target: "sda", readOnly: true });
    await takeLibvirtSecret(disk.secretId, { connect });
    await takeLibvirtSecret(disk.secretId, { connect });
    await assert.rejects(boot(disk.diskXml), /no secret with matching uuid/i);
    const wrong = Buffer.from("0".repeat(64));
    await giveLibvirtSecret({ ...disk, lendPassphrase: (use) => use(wrong) }, { connect });
    await assert.rejects(boot(disk.diskXml), /Invalid password/);
    await giveLibvirtSecret(disk, { connect });
    assert.match(
      command("volume", "libvirt", path, "--connect", connect, "--forget"),
      new RegExp(`^took secret ${disk.secretId} `),
    );
    assert.doesNotMatch(virsh("secret-list").stdout, new RegExp(disk.secretId));

    const luks2 = join(directory, "luks2.img");
    command("volume", "create", luks2, "--size", "1M");
    await assert.rejects(libvirtDisk(volumes, luks2), { code: "unsupported" });
  });
});

/** Starts a guest with this disk. @returns what it says on its serial line */
async function boot(diskXml: string): Promise<string> {
  const serial = join(home, "serial");
  rmSync(serial, { force: true });
  const xml = `<domain type='qemu'>
    <name>guest</name><memory unit='MiB'>64</memory>
    <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os>
    <devices>${diskXml}<serial type='file'><source path='${serial}'/></serial></devices>
  </domain>`;
  const file = join(directory, "domain.xml");
  writeFileSync(file, xml);
  const { status, stderr } = virsh("create", file);
  if (status !== 0) throw new Error(stderr);
  try {
    return await waitFor("the guest's greeting", 60, () => {
      const said = readFileSync(serial, "latin1");
      return said.includes(greeting) ? greeting : undefined;
    });
  } finally {
    virsh("destroy", "guest");
  }
}

/** A program for a PC's first instruction: it sends a text, which is in the sector as well, to the serial line. */
function bootSector(text: string): Uint8Array {
  const program = [
    [0x31, 0xc0, 0x8e, 0xd8, 0xfc], // xor ax, ax; mov ds, ax; cld
    [0xbe, 0x16, 0x7c], // mov si, text
    [0xac, 0x84, 0xc0, 0x74, 0x06], // next: lodsb; test al, al; jz stop
    [0xba, 0xf8, 0x03, 0xee, 0xeb, 0xf5], // mov dx, 0x3f8; out dx, al; jmp next
    [0xf4, 0xeb, 0xfd], // stop: hlt; jmp stop
  ].flat();
  const sector = new Uint8Array(512);
  sector.set(program);
  sector.set(Buffer.from(text), program.length);
  sector.set([0x55, 0xaa], 510);
  return sector;
}

function virsh(...words: readonly string[]) {
  return spawnSync("virsh", ["--connect", connect, ...words], {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
  });
}

function command(...words: readonly string[]): string {
  const main = fileURLToPath(new URL("../../packages/cli/dist/main.js", import.meta.url));
  return runTool(process.execPath, [main, ...words], {
    env: { ...environment, CHATELAINE_LEDGER: join(directory, "ledger.sqlite") },
  });
}
