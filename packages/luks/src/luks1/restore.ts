import type { BlockDevice } from "../device.ts";
import { luks1HeaderBytes, renderLuks1 } from "./binary-header.ts";
import type { Luks1Disk } from "./disk.ts";
import { materialBytes } from "./keyslot.ts";

/** Writes a saved header over the present one: key material first, then the header. */
export async function restoreLuks1(saved: Luks1Disk, target: BlockDevice): Promise<void> {
  for (const { active, materialOffset, stripes } of saved.header.keyslots) {
    if (!active) continue;
    const material = new Uint8Array(materialBytes(saved.header.keyBytes, stripes));
    await saved.device.read(materialOffset * 512, material);
    await target.write(materialOffset * 512, material);
  }
  await target.sync();
  await target.write(0, renderLuks1(saved.header).subarray(0, luks1HeaderBytes));
  await target.sync();
}
