import { type Luks2Draft, renderLuks2 } from "../../packages/luks/test/hostile/luks2-draft.ts";
import { honestLuks2 } from "./honest-luks2.ts";
import { type Image, writeDisk } from "./image.ts";

const size = 0x4000;

/** A copy of the header at its place, or nothing. */
type State = (offset: number) => Buffer | undefined;

/** What may have become of one copy. The sequence number of a whole one is 5. */
const states: Readonly<Record<string, State>> = {
  intact: (offset) => rendered(offset),
  older: (offset) => numbered(offset, 4n),
  newer: (offset) => numbered(offset, 6n),
  zeroed: () => undefined,
  "wrong checksum": (offset) => flipped(rendered(offset), 5000),
  "no magic": (offset) => flipped(rendered(offset), 0),
  // Another legal size: whoever believes it looks for the other copy in another place.
  "double size, wrong checksum": (offset) => resized(rendered(offset), 0x8000n),
  "illegal size, wrong checksum": (offset) => resized(rendered(offset), 0x5000n),
  "no valid metadata": (offset) =>
    rendered(offset, (draft) => {
      Reflect.deleteProperty(draft.json, "segments");
    }),
  "no JSON": (offset) =>
    rendered(offset, (draft) => {
      draft.text = Buffer.from("{");
    }),
  "another place": (offset) =>
    rendered(offset, ({ binary }) => {
      binary.headerOffset = 0x10000n;
    }),
  "version 3": (offset) =>
    rendered(offset, ({ binary }) => {
      binary.version = 3;
    }),
  "another disk's, newer": (offset) =>
    rendered(offset, ({ binary }) => {
      binary.sequence = 9n;
      binary.uuid.set(Buffer.from("2b4e28ba"));
    }),
};

/** Each state of the primary copy with each of the secondary. */
export const luks2Copies: readonly Image[] = Object.entries(states).flatMap(([first, primary]) =>
  Object.entries(states).map(
    ([second, secondary]): Image => ({
      field: "luks2 copies",
      value: `${first} and ${second}`,
      kind: "changed",
      write: (path) => {
        const { draft, diskBytes } = honestLuks2();
        const copies = [primary(0), secondary(size)].flatMap((bytes, index) =>
          bytes ? [{ offset: index * size, bytes }] : [],
        );
        writeDisk(path, { bytes: diskBytes, writes: [...draft.writes, ...copies] });
      },
    }),
  ),
);

function rendered(offset: number, change: (draft: Luks2Draft) => void = () => undefined): Buffer {
  const { draft } = honestLuks2();
  change(draft);
  return renderLuks2(draft, offset);
}

function numbered(offset: number, sequence: bigint): Buffer {
  return rendered(offset, ({ binary }) => {
    binary.sequence = sequence;
  });
}

function flipped(copy: Buffer, at: number): Buffer {
  copy[at] = (copy[at] ?? 0) ^ 0xff;
  return copy;
}

function resized(copy: Buffer, bytes: bigint): Buffer {
  copy.writeBigUInt64BE(bytes, 8);
  return copy;
}
