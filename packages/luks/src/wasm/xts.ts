import { assemble, type Code, op, seq } from "./assembler.ts";
import { compile, instantiate, type WasmModule } from "./instantiate.ts";

/** In bytes: one call handles at most this much data. Larger chunks fall out of the processor's cache. */
export const xtsChunkBytes = 128 * 1024;

/** The tweaks of a chunk of 512-byte sectors, 16 bytes each. */
const tweakBytes = (xtsChunkBytes / 512) * 16;
const pageBytes = 65536;

/** Memory in which whole sectors are XORed with the tweak stream of XTS. */
export interface XtsMemory {
  /** Room for data; ciphers that share the memory change data in it where it lies. */
  readonly data: Uint8Array;
  /** Room for the first tweak of each sector of a chunk, encrypted. */
  readonly tweaks: Uint8Array;
  /**
   * @param offset of the first sector in `data`
   * @param blocksPerSector of 16 bytes
   */
  xor(offset: number, sectors: number, blocksPerSector: number): void;
}

/**
 * IEEE 1619-2018, section 5.3.2: block j of a sector is XORed with T·αʲ, where T is the encrypted sector number and
 * multiplication by α is a shift by one bit in GF(2¹²⁸), with 0x87 folded in for the bit that falls off.
 *
 * @param dataBytes of room for data, a multiple of 64 KiB
 * @returns undefined where the runtime has no WebAssembly SIMD
 */
export function loadXtsMemory(dataBytes: number): XtsMemory | undefined {
  let module = modules.get(dataBytes);
  if (!module) {
    module = compile(xtsModule(dataBytes));
    if (!module) return undefined;
    modules.set(dataBytes, module);
  }
  const { memory, functions } = instantiate(module);
  const xor = (name: string, data: number, tweaks: number, sectors: number, bytes: number) => {
    if (sectors > 0) functions[name]?.(data, tweaks, data + sectors * bytes, bytes);
  };
  return {
    data: new Uint8Array(memory, 0, dataBytes),
    tweaks: new Uint8Array(memory, dataBytes, tweakBytes),
    xor: (offset, sectors, blocksPerSector) => {
      const bytes = blocksPerSector * 16;
      const together = sectors - (sectors % interleaved);
      xor("xorInterleaved", offset, dataBytes, together, bytes);
      xor("xor", offset + together * bytes, dataBytes + together * 16, sectors - together, bytes);
    },
  };
}

const modules = new Map<number, WasmModule>();

/**
 * The memory of all ciphers that have none of their own; each instance takes gigabytes of address space. Whoever uses
 * a caller finishes, and erases it, before any other code can run.
 */
export function sharedXtsMemory(): XtsMemory | undefined {
  shared ??= loadXtsMemory(xtsChunkBytes);
  return shared;
}

let shared: XtsMemory | undefined;

/** Each tweak waits for the one before it; those of several sectors do not wait for each other. */
const interleaved = 4;

/**
 * The module's bytes. `xor(data, tweaks, end, sectorBytes)` walks from `data` to `end` sector by sector,
 * `xorInterleaved` four sectors at a time.
 */
function xtsModule(dataBytes: number): Uint8Array {
  const pages = Math.ceil((dataBytes + tweakBytes) / pageBytes);
  return assemble([xorFunction("xor", 1), xorFunction("xorInterleaved", interleaved)], pages);
}

/** @param lanes sectors at a time */
function xorFunction(name: string, lanes: number) {
  const [data, tweaks, end, sectorBytes, sectorEnd] = [0, 1, 2, 3, 4];
  /** Of each lane: where it is in its sector, and the tweak there. */
  const pointer = (lane: number) => (lane === 0 ? data : sectorEnd + lane);
  const sign = sectorEnd + lanes;
  const tweak = (lane: number) => sign + 1 + lane;
  const perLane = (code: (lane: number) => Code) =>
    Array.from({ length: lanes }, (_, lane) => code(lane)).flat();
  const unrolled = 4; // 512-byte sectors have 32 blocks, larger ones a multiple.
  const body: Code = op.loopWhile(
    perLane((lane) =>
      seq(
        seq(op.get(tweaks), op.v128.load(16 * lane), op.set(tweak(lane))),
        lane === 0 ? [] : startLane(pointer(lane - 1), sectorBytes, pointer(lane)),
      ),
    ),
    seq(op.get(tweaks), op.i32.const(16 * lanes), op.i32.add, op.set(tweaks)),
    seq(op.get(data), op.get(sectorBytes), op.i32.add, op.set(sectorEnd)),
    op.loopWhile(
      Array.from({ length: unrolled }, (_, block) =>
        perLane((lane) =>
          seq(xorBlock(pointer(lane), block * 16, tweak(lane)), timesAlpha(tweak(lane), sign)),
        ),
      ).flat(),
      perLane((lane) =>
        seq(op.get(pointer(lane)), op.i32.const(16 * unrolled), op.i32.add, op.set(pointer(lane))),
      ),
      seq(op.get(data), op.get(sectorEnd), op.i32.xor),
    ),
    // The last lane is now where the next sectors begin.
    seq(op.get(pointer(lanes - 1)), op.tee(data), op.get(end), op.i32.xor),
  );
  const locals = { i32: lanes, v128: 1 + lanes };
  return { name, parameters: 4, locals, body };
}

/** A lane begins one sector behind the lane before it. */
function startLane(before: number, sectorBytes: number, pointer: number): Code {
  return seq(op.get(before), op.get(sectorBytes), op.i32.add, op.set(pointer));
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
