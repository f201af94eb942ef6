import type { ObjectId } from "@chatelaine/keys";
import {
  giveLibvirtSecret,
  libvirtDisk,
  previewDeletion,
  takeLibvirtSecret,
} from "@chatelaine/volumes";
import type { Command } from "commander";
import { type Context, examples } from "./command.ts";
import { strangerKeyFlag } from "./stranger-key.ts";

interface LibvirtFlags {
  readonly target: string;
  readonly connect: string;
  readonly readOnly?: boolean;
  readonly forget?: boolean;
  readonly dryRun?: boolean;
  readonly key?: ObjectId;
}

/** `chatelaine volume libvirt`: the secret goes to libvirt on a pipe, the XML to standard output. */
export function addLibvirtVerb(volume: Command, context: (command: Command) => Context): void {
  examples(
    volume
      .command("libvirt")
      .description("Define the libvirt secret of a LUKS1 volume and print the disk's XML")
      .argument("<path>")
      .option("--target <device>", "device name in the guest", "vda")
      .option("--read-only", "reject writes")
      .option("--connect <uri>", "libvirt connection", "qemu:///system")
      .option("--forget", "remove the secret from libvirt instead")
      .option(...strangerKeyFlag)
      .option("--dry-run", "print the XML of secret and disk, and change nothing in libvirt")
      .action(async (path: string, flags: LibvirtFlags, command: Command) => {
        const { withVolumes, withLedger, print } = context(command);
        const { target, readOnly, connect, key: keyId } = flags;
        if (flags.forget === true) {
          // Refuses a disk that only claims to be another volume of the ledger.
          const { id } = await withLedger((ledger) => previewDeletion(ledger, path));
          if (flags.dryRun !== true) await takeLibvirtSecret(id, { connect });
          const would = flags.dryRun === true ? "would take" : "took";
          print({ secretId: id }, `${would} secret ${id} away from libvirt\n`);
          return;
        }
        const disk = await withVolumes((volumes) =>
          libvirtDisk(volumes, path, { target, readOnly, keyId }),
        );
        if (flags.dryRun !== true) await giveLibvirtSecret(disk, { connect });
        const { secretId, secretXml, diskXml } = disk;
        const shown = flags.dryRun === true ? `${secretXml}${diskXml}` : diskXml;
        print({ secretId, secretXml, diskXml }, shown);
      }),
    [
      "chatelaine volume libvirt /dev/vg0/data --target vdb >disk.xml",
      "virsh attach-device web-1 disk.xml",
      "chatelaine volume libvirt /dev/vg0/data --forget",
    ],
  );
}
