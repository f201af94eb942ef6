import { assemble, type Code, op, seq } from "./assembler.ts";
import { compile, instantiate, type WasmInstance } from "./instantiate.ts";

/**
 * SHA-256 of messages of one block, for the anti-forensic splitter: it makes 8,000 digests of 36 bytes for each key
 * slot, and a call into OpenSSL costs ten times the digest itself. There is one instance for all: each takes gigabytes
 * of address space. A user of it finishes, and erases it, before any other code can run.
 *
 * @returns undefined where the runtime has no WebAssembly
 */
export function loadSha256Block(): WasmInstance | undefined {
  if (instance === undefined) {
    const module = compile(sha256Module());
    instance = module && instantiate(module);
  }
  return instance;
}

let instance: WasmInstance | undefined;

const primes = Array.from({ length: 312 }, (_, n) => n).filter(
  (n) => n > 1 && Array.from({ length: n }, (_, d) => d).every((d) => d < 2 || n % d !== 0),
);
/** FIPS 180-4, section 4.2.2: of the cube roots of the first 64 primes, the first 32 bits after the point. */
const roundConstants = primes.slice(0, 64).map((prime) => firstBits(Math.cbrt(prime)));
/** Section 5.3.3: of the square roots of the first eight. */
const initialHash = primes.slice(0, 8).map((prime) => firstBits(Math.sqrt(prime)));

function firstBits(root: number): number {
  return Math.floor((root % 1) * 2 ** 32) | 0;
}

/** The module's bytes: `compress(block, out)` hashes the padded block at `block` into the 32 bytes at `out`. */
export function sha256Module(): Uint8Array {
  const [block, out] = [0, 1];
  const state = Array.from({ length: 8 }, (_, i) => 2 + i);
  const words = Array.from({ length: 16 }, (_, i) => 10 + i);
  const temporary = 26;
  const body: Code[] = [];
  for (const [i, word] of words.entries()) {
    body.push(op.get(block), op.i32.load(i * 4), op.set(word), swapBytes(word), op.set(word));
  }
  for (const [i, local] of state.entries())
    body.push(op.i32.const(at(initialHash, i)), op.set(local));
  for (let round = 0; round < 64; round++) {
    // The eight variables change their names from round to round instead of their values.
    const name = (letter: number) => at(state, (letter - round + 64) % 8);
    const [a, b, c, d] = [name(0), name(1), name(2), name(3)];
    const [e, f, g, h] = [name(4), name(5), name(6), name(7)];
    const word = (ahead: number) => at(words, (round + ahead) % 16);
    if (round >= 16) {
      body.push(op.get(word(0)), op.get(word(9)), op.i32.add, sigma(word(1), 7, 18, 3), op.i32.add);
      body.push(sigma(word(14), 17, 19, 10), op.i32.add, op.set(word(0)));
    }
    body.push(op.get(h), sum(e, 6, 11, 25), op.i32.add, choose(e, f, g), op.i32.add);
    body.push(op.i32.const(at(roundConstants, round)), op.i32.add, op.get(word(0)), op.i32.add);
    body.push(op.tee(temporary), op.get(d), op.i32.add, op.set(d));
    body.push(op.get(temporary), sum(a, 2, 13, 22), op.i32.add, majority(a, b, c), op.i32.add);
    body.push(op.set(h));
  }
  for (const [i, local] of state.entries()) {
    body.push(op.get(local), op.i32.const(at(initialHash, i)), op.i32.add, op.set(local));
    body.push(op.get(out), swapBytes(local), op.i32.store(i * 4));
  }
  const locals = { i32: 25 };
  return assemble([{ name: "compress", parameters: 2, locals, body: body.flat() }], 1);
}

/** Words are big-endian in SHA-256, little-endian in WebAssembly. */
function swapBytes(x: number): Code {
  const half = (bits: number, mask: number) =>
    seq(op.get(x), op.i32.const(bits), op.i32.rotl, op.i32.const(mask), op.i32.and);
  return seq(half(8, 0x00ff00ff), half(24, 0xff00ff00 | 0), op.i32.or);
}

function rotated(x: number, bits: number): Code {
  return seq(op.get(x), op.i32.const(bits), op.i32.rotr);
}

function sum(x: number, first: number, second: number, third: number): Code {
  return seq(rotated(x, first), rotated(x, second), op.i32.xor, rotated(x, third), op.i32.xor);
}

function sigma(x: number, first: number, second: number, shift: number): Code {
  return seq(
    rotated(x, first),
    rotated(x, second),
    op.i32.xor,
    op.get(x),
    op.i32.const(shift),
    op.i32.shrU,
    op.i32.xor,
  );
}

function choose(x: number, y: number, z: number): Code {
  return seq(op.get(y), op.get(z), op.i32.xor, op.get(x), op.i32.and, op.get(z), op.i32.xor);
}

function majority(x: number, y: number, z: number): Code {
  return seq(
    op.get(x),
    op.get(y),
    op.i32.and,
    op.get(x),
    op.get(y),
    op.i32.or,
    op.get(z),
    op.i32.and,
    op.i32.or,
  );
}

function at(list: readonly number[], index: number): number {
  return list[index] as number;
}
