import { refuseUnknownOptions } from "@chatelaine/keys/interface";
import { parseUuid, type Uuid } from "@chatelaine/luks";
import { locationOf, occupantOf } from "../disk/location.ts";
import { runTool, type ToolResult } from "../host/run-tool.ts";
import { optionValue, type ToolArgument, words, xmlText } from "../host/safe-text.ts";
import { lendPassphrase } from "../key/passphrase.ts";
import { VolumeError } from "../model/errors.ts";
import type { VolumeContext } from "../model/volume-context.ts";
import { refuseMismatch } from "../record/recorded-disk.ts";
import type { TrustOptions } from "../record/trusted-volume.ts";
import { keyForQemu } from "./qemu.ts";

/** How the guest sees a volume. */
export interface LibvirtDiskOptions extends TrustOptions {
  /** The guest's name for the disk, from which libvirt takes the bus: `vda` (default), `sda`, … */
  readonly target?: string | undefined;
  /** Default false. */
  readonly readOnly?: boolean | undefined;
}

/** How libvirt is told to have QEMU open a volume. */
export interface LibvirtDisk {
  /** UUID of the libvirt secret: the volume's id. */
  readonly secretId: string;
  /** For `virsh secret-define`. Ephemeral: never on the host's disk. Private: libvirt gives it to no client. */
  readonly secretXml: string;
  /** For a domain's devices, or `virsh attach-device`. */
  readonly diskXml: string;
  /** Lends the secret's value, for `virsh secret-set-value --plain`. */
  lendPassphrase<T>(use: (passphrase: Uint8Array) => Promise<T>): Promise<T>;
}

/**
 * Presents a volume to libvirt: QEMU's own LUKS driver opens it, without a mapping.
 * No secret is in the XML (https://libvirt.org/formatsecret.html,
 * https://libvirt.org/formatstorageencryption.html).
 *
 * @throws as `qemuDisk`: `unsupported` for LUKS2; `missing_key`, `wrong_key`, `integrity`, `untrusted`, `mismatch`; `invalid_argument`
 */
export async function libvirtDisk(
  context: VolumeContext,
  path: string,
  options: LibvirtDiskOptions = {},
): Promise<LibvirtDisk> {
  refuseUnknownOptions("libvirtDisk", options, ["target", "readOnly", "keyId"]);
  const { target = "vda", readOnly = false, keyId } = options;
  if (!/^(?:vd|sd|hd|xvd)[a-z]{1,3}$/.test(target)) {
    throw new VolumeError(
      "invalid_argument",
      `present ${path}: target ${JSON.stringify(target)} is not a device name such as vda`,
    );
  }
  const location = await locationOf(path);
  const isDevice = (await occupantOf(location)) === "device";
  const { id, key } = await keyForQemu(context, path, { keyId });
  // The secret's UUID is the volume's, which another disk only claims to be.
  await refuseMismatch(context, id, path);
  const shown = xmlText(`present ${path}`, location);
  const source = `${isDevice ? "dev" : "file"}='${shown}'`;
  return {
    secretId: id,
    secretXml: `<secret ephemeral='yes' private='yes'>
  <uuid>${id}</uuid>
  <description>passphrase of encrypted volume ${id}</description>
  <usage type='volume'>
    <volume>${shown}</volume>
  </usage>
</secret>
`,
    diskXml: `<disk type='${isDevice ? "block" : "file"}' device='disk'>
  <driver name='qemu' type='raw'/>
  <source ${source}>
    <encryption format='luks'>
      <secret type='passphrase' uuid='${id}'/>
    </encryption>
  </source>
  <target dev='${target}'/>
${readOnly ? "  <readonly/>\n" : ""}</disk>
`,
    lendPassphrase: (use) => lendPassphrase(key, use),
  };
}

/** Whom to tell. */
export interface LibvirtOptions {
  /** Which libvirt; default `qemu:///system`. */
  readonly connect?: string | undefined;
}

/**
 * Gives libvirt a volume's secret, on a pipe. It has it until it is taken away, or
 * libvirt's daemon ends. Giving it again is no error.
 *
 * Needs the Debian package libvirt-clients.
 *
 * @throws `unsupported` if it is not installed; `tool_failed`
 */
export async function giveLibvirtSecret(
  disk: LibvirtDisk,
  options: LibvirtOptions = {},
): Promise<void> {
  const input = Buffer.from(disk.secretXml);
  await virsh(options, words`secret-define /dev/stdin`, input);
  const set = words`secret-set-value ${secretIdOf(disk.secretId)} --file /dev/stdin --plain`;
  await disk.lendPassphrase((passphrase) => virsh(options, set, passphrase));
}

/** Takes a volume's secret away from libvirt, if it has one. A domain that runs keeps what it opened. */
export async function takeLibvirtSecret(
  secretId: string,
  options: LibvirtOptions = {},
): Promise<void> {
  const id = secretIdOf(secretId);
  const { stdout } = await virsh(options, words`secret-list`);
  if (stdout.includes(id)) await virsh(options, words`secret-undefine ${id}`);
}

/** @throws `invalid_argument` */
function secretIdOf(text: string): Uuid {
  const id = parseUuid(text);
  if (id !== undefined) return id;
  throw new VolumeError("invalid_argument", "libvirt secret: its id is no UUID");
}

function virsh(
  { connect = "qemu:///system" }: LibvirtOptions,
  action: readonly ToolArgument[],
  input?: Uint8Array,
): Promise<ToolResult> {
  const all = [...words`--quiet --connect=${optionValue("connect", connect)}`, ...action];
  return runTool("virsh", all, input === undefined ? {} : { input, truePipe: true });
}
