/** How a volume's data is encrypted: what the ledger remembers of a LUKS header. */
export interface VolumeLayout {
  readonly format: "luks1" | "luks2";
  /** dm-crypt's name, such as `aes-xts-plain64`. */
  readonly cipher: string;
  readonly volumeKeyBitLength: number;
  /** In bytes. */
  readonly sectorSize: number;
  /** Where the data begins, in bytes. */
  readonly dataOffset: number;
  /** Of the data, in bytes: `lvextend` and `truncate` change it, although they do not change the header. */
  readonly size: number;
  /**
   * SHA-256, in hexadecimal, over the segments and the digest of the volume key. Key slots,
   * tokens, label and flags are not part of it, so that a rekey does not change it.
   */
  readonly digest: string;
}

/** A field of a header that is not as the ledger has it. */
export interface LayoutChange {
  readonly field: keyof VolumeLayout;
  readonly recorded: string;
  readonly found: string;
}

const fields = [
  "format",
  "cipher",
  "volumeKeyBitLength",
  "sectorSize",
  "dataOffset",
  "size",
  "digest",
] as const satisfies readonly (keyof VolumeLayout)[];

/** What is known of a layout. */
export type RecordedLayout = Readonly<Partial<Record<keyof VolumeLayout, string | number>>>;

/** Every field of a layout that differs from what is recorded of it. */
export function layoutChanges(
  recorded: RecordedLayout,
  found: VolumeLayout,
): readonly LayoutChange[] {
  return fields
    .filter((field) => recorded[field] !== undefined && recorded[field] !== found[field])
    .map((field) => ({
      field,
      recorded: String(recorded[field]),
      found: String(found[field]),
    }));
}

/** All but the size, in which a copy may differ. */
export function withoutSize(layout: VolumeLayout): Omit<VolumeLayout, "size"> {
  const { size: _size, ...rest } = layout;
  return rest;
}

/** A device that is larger than it was still holds all of the data. */
export function isGrowth({ field, recorded, found }: LayoutChange): boolean {
  return field === "size" && Number(found) > Number(recorded);
}

/** Such as `cipher is serpent-xts-plain64, not aes-xts-plain64`. Nobody knows a digest by sight, so it is explained. */
export function describeChanges(changes: readonly LayoutChange[]): string {
  return changes
    .map(({ field, recorded, found }) => {
      const meaning = field === "digest" ? " (another volume key or data segment)" : "";
      return `${field} is ${found}, not ${recorded}${meaning}`;
    })
    .join("; ");
}
