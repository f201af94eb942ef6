/**
 * Just enough of the WebAssembly binary format (WebAssembly Core Specification 2.0, chapter 5) to assemble the
 * inner loops for which JavaScript is too slow. The modules are assembled when first needed: there is no binary
 * in the package whose origin one would have to trust.
 */

/** One or more instructions, encoded. */
export type Code = readonly number[];

/** A function of i32 parameters without a result. Functions are numbered in the order in which they are given. */
export interface WasmFunction {
  readonly name: string;
  readonly parameters: number;
  /** Local variables in addition to the parameters, numbered after them: first all i32, then all i64, then all v128. */
  readonly locals: { readonly i32: number; readonly i64?: number; readonly v128?: number };
  readonly body: Code;
}

const magicAndVersion = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const i32 = 0x7f;
const i64 = 0x7e;
const v128 = 0x7b;
const end = 0x0b;

/** A module with `functions`, all exported, and a memory of `pages` × 64 KiB, exported as `memory`. */
export function assemble(functions: readonly WasmFunction[], pages: number): Uint8Array {
  const types = functions.map(({ parameters }) => [
    0x60,
    ...vector(Array.from({ length: parameters }, () => [i32])),
    0,
  ]);
  const exports = functions.map(({ name }, index) => [...text(name), 0, ...unsigned(index)]);
  const bodies = functions.map(({ locals, body }) => {
    const groups = [
      [...unsigned(locals.i32), i32],
      [...unsigned(locals.i64 ?? 0), i64],
      [...unsigned(locals.v128 ?? 0), v128],
    ];
    const code = [...vector(groups), ...body, end];
    return [...unsigned(code.length), ...code];
  });
  return Uint8Array.from([
    ...magicAndVersion,
    ...section(1, vector(types)),
    ...section(3, vector(functions.map((_, index) => unsigned(index)))),
    ...section(5, [1, 1, ...unsigned(pages), ...unsigned(pages)]),
    ...section(7, vector([...exports, [...text("memory"), 2, 0]])),
    ...section(10, vector(bodies)),
  ]);
}

/** Instructions, under the names that the specification's text format gives them. */
export const op = {
  get: (local: number): Code => [0x20, ...unsigned(local)],
  set: (local: number): Code => [0x21, ...unsigned(local)],
  tee: (local: number): Code => [0x22, ...unsigned(local)],
  call: (index: number): Code => [0x10, ...unsigned(index)],
  /** Repeats `body` as long as the i32 that it leaves is not zero. */
  loopWhile: (...body: Code[]): Code => [0x03, 0x40, ...body.flat(), 0x0d, 0, end],
  i32: {
    const: (value: number): Code => [0x41, ...signed(value)],
    load: (offset = 0): Code => [0x28, 2, ...unsigned(offset)],
    store: (offset = 0): Code => [0x36, 2, ...unsigned(offset)],
    add: [0x6a] as Code,
    sub: [0x6b] as Code,
    and: [0x71] as Code,
    or: [0x72] as Code,
    xor: [0x73] as Code,
    shrU: [0x76] as Code,
    rotl: [0x77] as Code,
    rotr: [0x78] as Code,
  },
  i64: {
    const: (value: number): Code => [0x42, ...signed(value)],
    load: (offset = 0): Code => [0x29, 3, ...unsigned(offset)],
    store: (offset = 0): Code => [0x37, 3, ...unsigned(offset)],
    add: [0x7c] as Code,
    mul: [0x7e] as Code,
    xor: [0x85] as Code,
    shl: [0x86] as Code,
    rotr: [0x8a] as Code,
    /** The lower 32 bits: i32.wrap_i64, i64.extend_i32_u. */
    low: [0xa7, 0xad] as Code,
  },
  v128: {
    load: (offset = 0): Code => [0xfd, 0x00, 4, ...unsigned(offset)],
    store: (offset = 0): Code => [0xfd, 0x0b, 4, ...unsigned(offset)],
    const: (...bytes: number[]): Code => [0xfd, 0x0c, ...bytes],
    and: [0xfd, 0x4e] as Code,
    xor: [0xfd, 0x51] as Code,
    /** i8x16.shuffle of a vector with itself, by 32-bit lanes. */
    shuffleLanes: (...lanes: number[]): Code => [
      0xfd,
      0x0d,
      ...lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte)),
    ],
    i32x4ShrS: [0xfd, ...unsigned(0xac)] as Code,
    i64x2Shl: [0xfd, ...unsigned(0xcb)] as Code,
  },
} as const;

/** Instructions one after the other. */
export function seq(...codes: readonly Code[]): Code {
  return codes.flat();
}

function section(id: number, content: Code): Code {
  return [id, ...unsigned(content.length), ...content];
}

function vector(items: readonly Code[]): Code {
  return [...unsigned(items.length), ...items.flat()];
}

function text(name: string): Code {
  return vector([...Buffer.from(name)].map((byte) => [byte]));
}

/** LEB128. */
function unsigned(value: number): Code {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): Code {
  const byte = value & 0x7f;
  const rest = value >> 7;
  const isLast = (rest === 0 && byte < 0x40) || (rest === -1 && byte >= 0x40);
  return isLast ? [byte] : [byte | 0x80, ...signed(rest)];
}
