import { type Aim, type Field, type HostileValue } from "./field.ts";
import { luks1Draft, luks1Fields } from "./luks1.ts";
import { copyBytes, luks2Draft, renderLuks2, type Write } from "./luks2-draft.ts";
import { luks2Fields } from "./luks2-fields.ts";
import { type Random, random } from "./random.ts";

/** A disk that was honestly made, and what an attacker who wants to change its header knows. */
export interface HonestDisk {
  readonly version: 1 | 2;
  /** From the first byte to the end of the key slots. */
  readonly head: Uint8Array;
  readonly aim: Aim;
}

/**
 * Which of a LUKS2 header's two copies lie.
 *
 * - `both`;
 * - `newer primary`, `newer secondary`: one, with a sequence number that makes readers prefer it;
 * - `primary`, `secondary`: one, with the sequence number of the other.
 */
export type Copies = "both" | "newer primary" | "newer secondary" | "primary" | "secondary";

/** A header with one hostile field, or two, and a valid checksum. */
export interface HostileHeader {
  /** With the seed, all that is needed to make it again. */
  readonly index: number;
  /** The index of the honest disk. */
  readonly disk: number;
  readonly changes: readonly { readonly field: string; readonly value: string }[];
  readonly copies: Copies;
  /** What to write over the honest disk. */
  readonly writes: readonly Write[];
}

type AnyField = Field<never>;

/** Fields take drafts of their version alone, which `writesOfLuks1` and `writesOfLuks2` give them. */
const fieldsOf = { 1: luks1Fields as readonly AnyField[], 2: luks2Fields as readonly AnyField[] };

/** All fields, in the order in which {@link hostileHeader} goes round them. */
export const fieldNames: readonly string[] = [...luks2Fields, ...luks1Fields].map(
  ({ name }) => name,
);

/**
 * Makes the header of a number. Consecutive numbers go round the fields, and each round takes a field's next value;
 * once a field's values are used up, they come again on another disk, in one copy only, or together with a second field.
 *
 * @param disks of both versions, or of one
 */
export function hostileHeader(
  disks: readonly HonestDisk[],
  seed: number,
  index: number,
): HostileHeader {
  const next = random(seed, index);
  const versions = disks.map(({ version }) => version);
  const all = ([2, 1] as const)
    .filter((version) => versions.includes(version))
    .flatMap((version) => fieldsOf[version].map((field) => ({ version, field })));
  const { version, field } = pick(all, index % all.length);
  const round = Math.floor(index / all.length);
  const isFirst = round < field.values.length;
  const candidates = disks.flatMap((disk, number) => (disk.version === version ? [number] : []));
  const disk = pick(candidates, isFirst ? round % candidates.length : next(candidates.length));
  const value = pick(field.values, isFirst ? round : next(field.values.length));
  const chosen: [AnyField, HostileValue<never>][] = [[field, value]];
  if (!isFirst && next(2) === 0) {
    const other = pick(fieldsOf[version], next(fieldsOf[version].length));
    chosen.push([other, pick(other.values, next(other.values.length))]);
  }
  const copies = version === 1 || isFirst ? "both" : copiesOf(next);
  const { head, aim } = disks[disk] as HonestDisk;
  return {
    index,
    disk,
    changes: chosen.map(([of, { name }]) => ({ field: of.name, value: name })),
    copies,
    writes: (version === 1 ? writesOfLuks1 : writesOfLuks2)(
      head,
      aim,
      chosen.map(([, one]) => one),
      copies,
    ).filter(({ offset, bytes }) => offset + bytes.length <= aim.diskBytes),
  };
}

function copiesOf(next: Random): Copies {
  const kinds = ["newer primary", "newer secondary", "primary", "secondary"] as const;
  return next(2) === 0 ? "both" : pick(kinds, next(kinds.length));
}

function writesOfLuks1(
  head: Uint8Array,
  aim: Aim,
  values: readonly HostileValue<never>[],
): readonly Write[] {
  const draft = luks1Draft(head);
  for (const { write } of values) write(draft as never, aim);
  return [...draft.writes, { offset: 0, bytes: draft.bytes }];
}

function writesOfLuks2(
  head: Uint8Array,
  aim: Aim,
  values: readonly HostileValue<never>[],
  copies: Copies,
): readonly Write[] {
  const draft = luks2Draft(head);
  for (const { write } of values) write(draft as never, aim);
  if (copies.startsWith("newer")) draft.binary.sequence += 1n;
  const offsets = { primary: [0], secondary: [copyBytes], both: [0, copyBytes] };
  const which = copies.replace("newer ", "") as keyof typeof offsets;
  return [
    ...draft.writes,
    ...offsets[which].map((offset) => ({ offset, bytes: renderLuks2(draft, offset) })),
  ];
}

function pick<Item>(list: readonly Item[], index: number): Item {
  const item = list[index];
  if (item === undefined) throw new Error(`hostile header: there is no item ${index}`);
  return item;
}
