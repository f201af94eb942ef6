import { readLuks } from "@chatelaine/luks";
import { formatTable } from "./report.ts";

/** What kinds of LUKS have been shown to work: a row for each writer and reader of each kind. */
export class LuksMatrix {
  readonly #rows: string[][] = [
    ["writer", "reader", "version", "cipher", "key", "sector", "kdf", ""],
  ];

  /** Columns: version, cipher, key's bits, sector's bytes, key derivation, remark. */
  add(writer: string, reader: string, ...kind: string[]): void {
    this.#rows.push([writer, reader, ...kind]);
  }

  /** The kind is read from the disk itself. */
  async addDisk(writer: string, reader: string, path: string, remark = ""): Promise<void> {
    const { version, cipher, volumeKeyBitLength, sectorSize, keyslots } = await readLuks(path);
    const kdf = keyslots[0]?.kdf;
    const derivation = kdf?.type === "pbkdf2" ? `pbkdf2-${kdf.hash}` : (kdf?.type ?? "unknown");
    this.add(
      writer,
      reader,
      `${version}`,
      cipher,
      `${volumeKeyBitLength}`,
      `${sectorSize}`,
      derivation,
      remark,
    );
  }

  print(): void {
    console.log(`\n${formatTable(this.#rows)}\n`);
  }
}
