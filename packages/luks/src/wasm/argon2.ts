import { assemble, type Code, op, seq } from "./assembler.ts";
import { compile, instantiate } from "./instantiate.ts";

/** In bytes. */
export const argon2BlockBytes = 1024;

/** Memory in which blocks of Argon2 are mixed. */
export interface Argon2Memory {
  readonly bytes: Uint8Array;
  /** Sets the block at `out` to G(x, y); offsets in bytes. */
  mix(x: number, y: number, out: number): void;
  /** XORs G(x, y) into the block at `out`. */
  mixInto(x: number, y: number, out: number): void;
}

const pageBytes = 65536;

/**
 * @param blocks room for so many; the module has one more for itself
 * @returns undefined where the runtime has no WebAssembly
 */
export function loadArgon2Memory(blocks: number): Argon2Memory | undefined {
  const scratch = blocks * argon2BlockBytes;
  const pages = Math.ceil((scratch + argon2BlockBytes) / pageBytes);
  const module = compile(assemble(functionsWith(scratch), pages));
  if (module === undefined) return undefined;
  const { memory, functions } = instantiate(module);
  return {
    bytes: new Uint8Array(memory),
    mix: (x, y, out) => functions["mix"]?.(x, y, out),
    mixInto: (x, y, out) => functions["mixInto"]?.(x, y, out),
  };
}

function functionsWith(scratch: number) {
  // Of the eight rows, 16 words one after the other; of the eight columns, pairs of words, 16 words apart.
  const row = Array.from({ length: 16 }, (_, index) => index * 8);
  const column = row.map((_, index) => (index >> 1) * 128 + (index % 2) * 8);
  return [
    permutation("row", row),
    permutation("column", column),
    mixing("mix", scratch, false),
    mixing("mixInto", scratch, true),
  ];
}

/** RFC 9106, section 3.5: R = X ⊕ Y; the permutation P on the rows of R, then on the columns; and R again. */
function mixing(name: string, scratch: number, over: boolean) {
  const [x, y, out, offset] = [0, 1, 2, 3];
  const at = (base: number) => seq(op.get(base), op.get(offset), op.i32.add);
  const step = (bytes: number, end: number) =>
    seq(
      seq(op.get(offset), op.i32.const(bytes), op.i32.add, op.tee(offset)),
      seq(op.i32.const(end), op.i32.xor),
    );
  const restart = seq(op.i32.const(0), op.set(offset));
  const permuted = (index: number, bytes: number, end: number) =>
    op.loopWhile(
      seq(op.get(offset), op.i32.const(scratch), op.i32.add, op.call(index)),
      step(bytes, end),
    );
  const body = seq(
    op.loopWhile(
      seq(op.get(offset), at(x), op.i64.load(), at(y), op.i64.load(), op.i64.xor),
      op.i64.store(scratch),
      seq(at(out), op.get(offset), op.i64.load(scratch)),
      over ? seq(at(out), op.i64.load(), op.i64.xor) : [],
      op.i64.store(),
      step(8, argon2BlockBytes),
    ),
    restart,
    permuted(0, 128, argon2BlockBytes),
    restart,
    permuted(1, 16, 128),
    restart,
    op.loopWhile(
      seq(at(out), at(out), op.i64.load(), op.get(offset), op.i64.load(scratch), op.i64.xor),
      op.i64.store(),
      step(8, argon2BlockBytes),
    ),
  );
  return { name, parameters: 3, locals: { i32: 1 }, body };
}

/** RFC 9106, section 3.6: P on the 16 words at `offsets` from its parameter. */
function permutation(name: string, offsets: readonly number[]) {
  const quarters = [
    [0, 4, 8, 12],
    [1, 5, 9, 13],
    [2, 6, 10, 14],
    [3, 7, 11, 15],
    [0, 5, 10, 15],
    [1, 6, 11, 12],
    [2, 7, 8, 13],
    [3, 4, 9, 14],
  ] as const;
  const body = seq(
    ...offsets.map((offset, index) => seq(op.get(0), op.i64.load(offset), op.set(word(index)))),
    ...quarters.map(([a, b, c, d]) => quarter(word(a), word(b), word(c), word(d))),
    ...offsets.map((offset, index) => seq(op.get(0), op.get(word(index)), op.i64.store(offset))),
  );
  return { name, parameters: 1, locals: { i32: 0, i64: 16 }, body };
}

/** The local variable of a word: the parameter comes first. */
function word(index: number): number {
  return 1 + index;
}

/** GB of the same section. */
function quarter(a: number, b: number, c: number, d: number): Code {
  return seq(
    seq(sum(a, b), rotated(d, a, 32), sum(c, d), rotated(b, c, 24)),
    seq(sum(a, b), rotated(d, a, 16), sum(c, d), rotated(b, c, 63)),
  );
}

/** x = x + y + 2 · low(x) · low(y) */
function sum(x: number, y: number): Code {
  const product = seq(op.get(x), op.i64.low, op.get(y), op.i64.low, op.i64.mul);
  return seq(
    seq(op.get(x), op.get(y), op.i64.add),
    seq(product, op.i64.const(1), op.i64.shl, op.i64.add, op.set(x)),
  );
}

/** x = (x ⊕ y) >>> bits */
function rotated(x: number, y: number, bits: number): Code {
  return seq(op.get(x), op.get(y), op.i64.xor, op.i64.const(bits), op.i64.rotr, op.set(x));
}
