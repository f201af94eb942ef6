import type { BlockDevice } from "../device/device.ts";
import type { CheckedHeader } from "../format/checked-header.ts";
import type { LuksDisk } from "../format/disk.ts";
import type { LuksHeader } from "../format/header.ts";
import { sealHeader } from "../format/snapshot.ts";
import type { BinaryHeader } from "./binary-header.ts";
import { checkLuks2 } from "./check.ts";
import { CheckedLuks2Disk } from "./checked-disk.ts";
import { describeLuks2 } from "./describe.ts";
import { type Luks2Header, loadLuks2 } from "./load.ts";
import type { Luks2Metadata } from "./metadata.ts";
import { replaceHeader } from "./store.ts";

/** A LUKS2 disk as loaded: whether its header may be trusted is for `checked` to decide. */
export class Luks2Disk implements LuksDisk {
  readonly version = 2;
  readonly device: BlockDevice;
  readonly header: Luks2Header;

  constructor(device: BlockDevice, header: Luks2Header) {
    this.device = device;
    this.header = header;
  }

  static async load(operation: string, device: BlockDevice): Promise<Luks2Disk> {
    return new Luks2Disk(device, await loadLuks2(operation, device));
  }

  describe(): LuksHeader {
    return describeLuks2(this.device.name, this.header);
  }

  checked(operation: string): CheckedHeader {
    const { header, device } = this;
    const proven = checkLuks2(operation, device.name, header, device.size);
    return sealHeader(proven, (checked) => (on) => new CheckedLuks2Disk(on, header, checked));
  }

  /** Writes the header again, with other metadata. What is not named stays as it is, trusted or not. */
  async change(
    operation: string,
    metadata: Partial<Luks2Metadata>,
    binary: Partial<Pick<BinaryHeader, "label" | "subsystem" | "uuid">> = {},
  ): Promise<void> {
    const changed = { ...this.header.metadata, ...metadata };
    await replaceHeader(operation, this.device, this.header, changed, binary);
  }
}
