import { assemble, type Code, op, seq } from "./assembler.ts";
import { compile, instantiate, type WasmModule } from "./instantiate.ts";

/** In bytes: one call handles at most this much data. Larger chunks fall out of the processor's cache. */
export const xtsChunkBytes = 128 * 1024;

/** The tweaks of a chunk of 512-byte sectors, 16 bytes each. */
const tweakBytes = (xtsChunkBytes / 512) * 16;

/** XORs whole sectors with the tweak stream of XTS. */
export interface XtsXor {
  /** Room for a chunk of data. */
  readonly data: Uint8Array;
  /** Room for the first tweak of each sector, encrypted. */
  readonly tweaks: Uint8Array;
  /** @param blocksPerSector of 16 bytes */
  xor(sectors: number, blocksPerSector: number): void;
}

/**
 * IEEE 1619-2018, section 5.3.2: block j of a sector is XORed with T·αʲ, where T is the encrypted sector number and
 * multiplication by α is a shift by one bit in GF(2¹²⁸), with 0x87 folded in for the bit that falls off.
 *
 * @returns undefined where the runtime has no WebAssembly SIMD
 */
export function loadXtsXor(): XtsXor | undefined {
  compiled ??= compile(xtsModule());
  if (!compiled) return undefined;
  const { memory, functions } = instantiate(compiled);
  return {
    data: new Uint8Array(memory, 0, xtsChunkBytes),
    tweaks: new Uint8Array(memory, xtsChunkBytes, tweakBytes),
    xor: (sectors, blocksPerSector) => {
      const bytes = blocksPerSector * 16;
      if (sectors > 0) functions["xor"]?.(0, xtsChunkBytes, sectors * bytes, bytes);
    },
  };
}

let compiled: WasmModule | undefined;

/** The module's bytes. `xor(data, tweaks, end, sectorBytes)` walks from `data` to `end`. */
export function xtsModule(): Uint8Array {
  const [data, tweaks, end, sectorBytes, sectorEnd, tweak, sign] = [0, 1, 2, 3, 4, 5, 6];
  const unrolled = 4; // 512-byte sectors have 32 blocks, larger ones a multiple.
  const body: Code = op.loopWhile(
    seq(op.get(tweaks), op.v128.load(), op.set(tweak)),
    seq(op.get(tweaks), op.i32.const(16), op.i32.add, op.set(tweaks)),
    seq(op.get(data), op.get(sectorBytes), op.i32.add, op.set(sectorEnd)),
    op.loopWhile(
      Array.from({ length: unrolled }, (_, block) =>
        seq(xorBlock(data, block * 16, tweak), timesAlpha(tweak, sign)),
      ).flat(),
      seq(op.get(data), op.i32.const(16 * unrolled), op.i32.add, op.tee(data)),
      seq(op.get(sectorEnd), op.i32.xor),
    ),
    seq(op.get(data), op.get(end), op.i32.xor),
  );
  const locals = { i32: 1, v128: 2 };
  const pages = Math.ceil((xtsChunkBytes + tweakBytes) / 65536);
  return assemble([{ name: "xor", parameters: 4, locals, body }], pages);
}

function xorBlock(data: number, offset: number, tweak: number): Code {
  return seq(
    op.get(data),
    op.get(data),
    op.v128.load(offset),
    op.get(tweak),
    op.v128.xor,
    op.v128.store(offset),
  );
}

/** Both 64-bit halves shift left; the sign of each 32-bit lane, moved to the other half, is what falls off. */
function timesAlpha(tweak: number, sign: number): Code {
  const fold = [0x87, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
  return seq(
    op.get(tweak),
    op.i32.const(1),
    op.v128.i64x2Shl,
    op.get(tweak),
    op.i32.const(31),
    op.v128.i32x4ShrS,
    op.tee(sign),
    op.get(sign),
    op.v128.shuffleLanes(3, 3, 1, 1),
    op.v128.const(...fold),
    op.v128.and,
    op.v128.xor,
    op.set(tweak),
  );
}
