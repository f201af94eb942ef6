import { open, unlink } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { recognise } from "../device/data-signatures.ts";
import { type BlockDevice, type DeviceReference, ioError, withDevice } from "../device/device.ts";
import { syncFolder } from "../device/sync-folder.ts";
import { writeAll } from "../device/write-all.ts";
import { LuksError } from "../errors.ts";
import type { CheckedHeader } from "../format/checked-header.ts";
import type { LuksDisk } from "../format/disk.ts";
import type { Luks1Disk } from "../luks1/disk.ts";
import { restoreLuks1 } from "../luks1/restore.ts";
import { Luks2Disk } from "../luks2/disk.ts";
import { isReencryptionUnfounded } from "../luks2/reencryption.ts";
import { restoreLuks2 } from "../luks2/restore.ts";
import { requireNoReencryption } from "../luks2/usable.ts";
import { refuseUnknownOptions } from "../options.ts";
import { loadLuks } from "./load.ts";

const chunkBytes = 1024 * 1024;

/**
 * Copies a disk's header with all key slots into a new file (mode 0600), in the form that cryptsetup's
 * luksHeaderBackup has. Whoever has the file and a passphrase that was valid then can read the disk.
 *
 * @throws `invalid_argument` if the file exists already
 */
export async function backupHeader(device: DeviceReference, file: string): Promise<void> {
  const operation = "back up header";
  await withDevice(operation, device, "read", async (opened) => {
    const { headerAreaBytes } = (await loadLuks(operation, opened)).describe();
    const length = Math.min(headerAreaBytes, opened.size);
    const handle = await open(file, "wx", 0o600).catch((cause: unknown) => {
      throw new LuksError("invalid_argument", `${operation} ${file}: cannot be created`, { cause });
    });
    try {
      const chunk = new Uint8Array(chunkBytes);
      for (let offset = 0; offset < length; offset += chunkBytes) {
        const part = chunk.subarray(0, Math.min(chunkBytes, length - offset));
        await opened.read(offset, part);
        // Empty stretches of the key slots area stay holes.
        if (part.some((byte) => byte !== 0)) await writeAll(handle, part, offset);
      }
      await handle.truncate(length);
      await handle.sync();
      await syncFolder(dirname(resolve(file)));
    } catch (error) {
      await unlink(file);
      throw ioError(operation, file, error);
    } finally {
      await handle.close();
    }
  });
}

/** What stands in for a proof that a device does not give any more. */
export interface RestoreHeaderOptions {
  /**
   * For a device whose own header cannot be read any more, so that nothing proves that the backup belongs to it:
   * the UUID of the backup, for which you vouch. A header of another disk makes the data unreadable for good.
   */
  readonly unprovenUuid?: string;
}

/**
 * Puts a header backup back onto its disk. The backup must have the disk's UUID, layout and volume key digest:
 * one of another disk, or from before a re-encryption, is refused.
 *
 * A cut loses nothing, and the restoration can be repeated. In LUKS2 it leaves either header whole: key material is
 * written where the present slots have none, and the header after it. LUKS1 is restored slot by slot, and opens with a
 * passphrase of the backup or a present one meanwhile.
 *
 * @throws `wrong_disk`; `in_reencryption` if the device is being re-encrypted: its data need the keys of the present header;
 *   `holds_data` if the device has no readable LUKS header but something else; `ambiguous`;
 *   `unsupported` for a detached header, unless it goes back into the file that has it
 */
export async function restoreHeader(
  device: DeviceReference,
  backup: DeviceReference,
  options: RestoreHeaderOptions = {},
): Promise<void> {
  const operation = "restore header";
  refuseUnknownOptions(operation, options, ["unprovenUuid"]);
  await withDevice(operation, backup, "read", async (source) => {
    const saved = await loadLuks(operation, source);
    // Never puts back what could not be opened.
    const header = saved.checked(operation);
    await withDevice(operation, device, "write", async (target) => {
      const present = await presentHeader(operation, target);
      if (present instanceof Luks2Disk && !isUnfounded(present, saved)) {
        requireNoReencryption(operation, target.name, present.header);
      }
      if (present) requireBelonging(operation, target.name, saved, present);
      else await requireVouched(operation, target, header, options.unprovenUuid);
      if (saved instanceof Luks2Disk) {
        await restoreLuks2(
          operation,
          source,
          saved.header,
          target,
          present as Luks2Disk | undefined,
        );
      } else {
        const now = present as Luks1Disk | undefined;
        await restoreLuks1(operation, saved as Luks1Disk, target, now);
      }
    });
  });
}

function isUnfounded({ header }: Luks2Disk, saved: LuksDisk): boolean {
  return (
    saved instanceof Luks2Disk && isReencryptionUnfounded(header.metadata, saved.header.metadata)
  );
}

async function presentHeader(
  operation: string,
  device: BlockDevice,
): Promise<LuksDisk | undefined> {
  try {
    return await loadLuks(operation, device);
  } catch (error) {
    const lost = error instanceof LuksError && ["not_luks", "corrupt_header"].includes(error.code);
    if (lost) return undefined;
    throw error;
  }
}

/** The digest stays with the volume key whatever happens to the slots, so it tells disks apart. */
function requireBelonging(
  operation: string,
  name: string,
  saved: LuksDisk,
  present: LuksDisk,
): void {
  const [before, now] = [saved.describe(), present.describe()];
  const same =
    before.version === now.version &&
    before.uuid === now.uuid &&
    before.dataOffset === now.dataOffset &&
    before.cipher === now.cipher &&
    before.sectorSize === now.sectorSize &&
    before.headerSize === now.headerSize &&
    before.headerAreaBytes === now.headerAreaBytes &&
    before.digests.some((one) =>
      now.digests.some((other) => one.fingerprint === other.fingerprint),
    );
  if (same) return;
  throw new LuksError(
    "wrong_disk",
    `${operation} ${name}: the backup is of another disk or volume key`,
  );
}

async function requireVouched(
  operation: string,
  device: BlockDevice,
  header: CheckedHeader,
  uuid: string | undefined,
): Promise<void> {
  if (uuid === undefined || uuid !== header.uuid) {
    throw new LuksError(
      "wrong_disk",
      `${operation} ${device.name}: has no readable header, and unprovenUuid does not name the backup's`,
    );
  }
  requireNotDetached(operation, device, header);
  const holds = (await recognise(device)).filter((kind) => kind !== "luks");
  if (holds.length > 0) {
    throw new LuksError(
      "holds_data",
      `${operation} ${device.name}: holds data (${holds.join(", ")})`,
      { holds },
    );
  }
  if (device.size < header.dataOffset + header.sectorSize || device.size < header.headerAreaBytes) {
    throw new LuksError(
      "wrong_disk",
      `${operation} ${device.name}: is smaller than the backup's disk`,
    );
  }
}

/** A device without a readable header may be the one that holds the data, which begins where the header would lie. */
function requireNotDetached(operation: string, device: BlockDevice, header: CheckedHeader): void {
  if (header.dataOffset >= header.headerAreaBytes) return;
  throw new LuksError(
    "unsupported",
    `${operation} ${device.name}: the backup is of a detached header, which would lie over data here: copy the backup to the header's own file`,
  );
}
