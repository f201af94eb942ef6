import { createHash } from "node:crypto";
import type { Aim, Field } from "../../packages/luks/test/hostile/field.ts";
import { luks1Draft, luks1Fields } from "../../packages/luks/test/hostile/luks1.ts";
import { luks2Draft } from "../../packages/luks/test/hostile/luks2-draft.ts";
import { luks2Fields } from "../../packages/luks/test/hostile/luks2-fields.ts";
import { honestLuks1, luks1Disk } from "./honest-luks1.ts";
import { honestLuks2, luks2Disk } from "./honest-luks2.ts";
import { type Image, nameOf, writeDisk } from "./image.ts";

/**
 * What would keep cryptsetup busy for minutes or take all memory, as it does what the header says; and a cipher that it
 * leaves to the kernel.
 */
const leftOut =
  /iterations: .*(double|number -|one less|\d{6,}|more than|end of the disk)|argon2id (-|.*\d{7,})|area\.key_size: .*(\d{7,}|more than)|plain64:sha256/;

/** Of the disks that the hostile fields are written to. */
const aim: Omit<Aim, "diskBytes" | "dataOffset"> = {
  self: "98:0",
  victim: "98:64",
  victimPath: "/dev/ubde",
  foreignKey: "1f0e0d0c-0b0a-4908-8706-050403020100",
  foreignUuid: "2f0e0d0c-0b0a-4908-8706-050403020100",
};

/**
 * One in `step` values of the catalogue of hostile fields, each in both copies.
 *
 * @param seed which of the values
 */
export function hostileImages(seed: number, step: number): readonly Image[] {
  const all = [
    ...imagesOf(luks2Fields, (write) => {
      const { draft: honest, headerSize, diskBytes } = honestLuks2();
      const { bytes } = luks2Disk({ draft: honest, headerSize, diskBytes }).writes.find(
        ({ offset }) => offset === 0,
      ) ?? { bytes: new Uint8Array() };
      const draft = luks2Draft(bytes);
      draft.writes.push(...honest.writes);
      write(draft, { ...aim, diskBytes, dataOffset: 1 << 20 });
      return luks2Disk({ draft, headerSize, diskBytes });
    }),
    ...imagesOf(luks1Fields, (write) => {
      const honest = honestLuks1();
      const draft = luks1Draft(honest.bytes);
      draft.writes.push(...honest.writes);
      write(draft, { ...aim, diskBytes: 3 << 20, dataOffset: 2 << 20 });
      return luks1Disk(draft);
    }),
  ];
  return all.filter((image) => numberOf(`${seed} ${nameOf(image)}`) % step === 0);
}

/** By its name, so that a new value changes nothing for the others. */
function numberOf(name: string): number {
  return createHash("sha256").update(name).digest().readUInt32BE();
}

function imagesOf<Draft>(
  fields: readonly Field<Draft>[],
  make: (write: (draft: Draft, aim: Aim) => void) => Parameters<typeof writeDisk>[1],
): Image[] {
  return fields.flatMap(({ name, values }) =>
    values
      .filter((value) => !leftOut.test(`${name}: ${value.name}`))
      .map(
        (value): Image => ({
          field: `hostile ${name}`,
          value: value.name,
          kind: "changed",
          write: (path) => writeDisk(path, make(value.write)),
        }),
      ),
  );
}
