import { LuksError } from "../errors.ts";
import { argon2BlockBytes, loadArgon2Memory } from "../wasm/argon2.ts";

/** Of one derivation; the names of RFC 9106, section 3.1, in brackets. */
export interface Argon2Parameters {
  readonly type: "argon2i" | "argon2id";
  /** t */
  readonly passes: number;
  /** m */
  readonly memoryKiB: number;
  /** p */
  readonly lanes: number;
}

type Blake2b = (message: Uint8Array, bytes: number) => Promise<Uint8Array>;

/** Section 3.4: a pass is done in four slices, between which lanes may look at each other. */
const slices = 4;
const addressesPerBlock = 128;
const version = 0x13;

/**
 * Argon2 (RFC 9106) as the document has it, for the empty password: Node.js's OpenSSL and hash-wasm refuse that, and
 * cryptsetup makes such key slots. On the main thread, and several times slower than OpenSSL.
 *
 * @throws `unsupported` where the runtime has no WebAssembly
 */
export async function deriveArgon2Plain(
  parameters: Argon2Parameters,
  password: Uint8Array,
  salt: Uint8Array,
  length: number,
): Promise<Uint8Array> {
  const { passes, memoryKiB, lanes } = parameters;
  const blake2b = await loadBlake2b();
  const columns = Math.floor(memoryKiB / (slices * lanes)) * slices;
  const blocks = lanes * columns;
  // Behind the blocks: zeroes, the input of an address block, and the address block itself.
  const memory = loadArgon2Memory(blocks + 3);
  if (memory === undefined) {
    throw new LuksError("unsupported", "derive key: argon2 of an empty passphrase: no WebAssembly");
  }
  try {
    await fillFirstColumns(memory.bytes, parameters, password, salt, length, columns, blake2b);
    const fill = { ...parameters, memory, columns, blocks };
    for (let pass = 0; pass < passes; pass++) {
      for (let slice = 0; slice < slices; slice++) {
        for (let lane = 0; lane < lanes; lane++) fillSegment(fill, pass, slice, lane);
      }
    }
    const last = new Uint8Array(argon2BlockBytes);
    for (let lane = 0; lane < lanes; lane++) {
      const at = ((lane + 1) * columns - 1) * argon2BlockBytes;
      for (let byte = 0; byte < last.length; byte++) {
        last[byte] = (last[byte] ?? 0) ^ (memory.bytes[at + byte] ?? 0);
      }
    }
    return await longHash(last, length, blake2b);
  } finally {
    memory.bytes.fill(0);
  }
}

/** Section 3.2, steps 1, 3 and 4. */
async function fillFirstColumns(
  bytes: Uint8Array,
  { type, passes, memoryKiB, lanes }: Argon2Parameters,
  password: Uint8Array,
  salt: Uint8Array,
  length: number,
  columns: number,
  blake2b: Blake2b,
): Promise<void> {
  const numbers = [lanes, length, memoryKiB, passes, version, type === "argon2i" ? 1 : 2];
  const start = await blake2b(
    Buffer.concat([
      ...numbers.map((value) => littleEndian(value)),
      littleEndian(password.length),
      password,
      littleEndian(salt.length),
      salt,
      // No secret, no associated data.
      littleEndian(0),
      littleEndian(0),
    ]),
    64,
  );
  for (let lane = 0; lane < lanes; lane++) {
    for (const column of [0, 1]) {
      const input = Buffer.concat([start, littleEndian(column), littleEndian(lane)]);
      const block = await longHash(input, argon2BlockBytes, blake2b);
      bytes.set(block, (lane * columns + column) * argon2BlockBytes);
    }
  }
}

interface Fill extends Argon2Parameters {
  readonly memory: NonNullable<ReturnType<typeof loadArgon2Memory>>;
  /** Of each lane, in blocks. */
  readonly columns: number;
  readonly blocks: number;
}

/** Section 3.4.1: where the two numbers come from that choose the block to mix with. */
function fillSegment(fill: Fill, pass: number, slice: number, lane: number): void {
  const { type, memory, columns, blocks, passes, lanes } = fill;
  const segment = columns / slices;
  const isIndependent = type === "argon2i" || (pass === 0 && slice < slices / 2);
  const view = new DataView(memory.bytes.buffer);
  const [zeroes, input, addresses] = [0, 1, 2].map((n) => (blocks + n) * argon2BlockBytes) as [
    number,
    number,
    number,
  ];
  const kind = type === "argon2i" ? 1 : 2;
  memory.bytes.fill(0, input, input + argon2BlockBytes);
  for (const [index, value] of [pass, lane, slice, blocks, passes, kind].entries()) {
    view.setUint32(input + index * 8, value, true);
  }
  for (let index = pass === 0 && slice === 0 ? 2 : 0; index < segment; index++) {
    const column = slice * segment + index;
    const own = (lane * columns + column) * argon2BlockBytes;
    const before = (lane * columns + ((column + columns - 1) % columns)) * argon2BlockBytes;
    let place = before;
    if (isIndependent) {
      const counter = Math.floor(index / addressesPerBlock) + 1;
      if (view.getUint32(input + 48, true) !== counter) {
        view.setUint32(input + 48, counter, true);
        memory.mix(zeroes, input, addresses);
        memory.mix(zeroes, addresses, addresses);
      }
      place = addresses + (index % addressesPerBlock) * 8;
    }
    const [j1, j2] = [view.getUint32(place, true), view.getUint32(place + 4, true)];
    const from = pass === 0 && slice === 0 ? lane : j2 % lanes;
    const reference = referenceColumn(fill, { pass, slice, index, isOwnLane: from === lane }, j1);
    const other = (from * columns + reference) * argon2BlockBytes;
    if (pass === 0) memory.mix(before, other, own);
    else memory.mixInto(before, other, own);
  }
}

/** Section 3.4.2: the column in the lane that was chosen. */
function referenceColumn(
  { columns }: Fill,
  at: {
    readonly pass: number;
    readonly slice: number;
    readonly index: number;
    readonly isOwnLane: boolean;
  },
  j1: number,
): number {
  const { pass, slice, index, isOwnLane } = at;
  const segment = columns / slices;
  const finished = pass === 0 ? slice * segment : columns - segment;
  const area = finished + (isOwnLane ? index - 1 : index === 0 ? -1 : 0);
  const x = (BigInt(j1) * BigInt(j1)) >> 32n;
  const y = Number((BigInt(area) * x) >> 32n);
  const start = pass === 0 || slice === slices - 1 ? 0 : (slice + 1) * segment;
  return (start + area - 1 - y) % columns;
}

/** Section 3.3: H', a hash of any length. */
async function longHash(
  message: Uint8Array,
  length: number,
  blake2b: Blake2b,
): Promise<Uint8Array> {
  const whole = Buffer.concat([littleEndian(length), message]);
  if (length <= 64) return blake2b(whole, length);
  const result = new Uint8Array(length);
  let hash = await blake2b(whole, 64);
  let done = 0;
  for (; length - done > 64; done += 32) {
    result.set(hash.subarray(0, 32), done);
    hash = await blake2b(hash, Math.min(64, length - done - 32));
  }
  result.set(hash, done);
  return result;
}

function littleEndian(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

async function loadBlake2b(): Promise<Blake2b> {
  const { createBLAKE2b } = await import("hash-wasm");
  return async (message, bytes) => {
    const hasher = await createBLAKE2b(bytes * 8);
    return hasher.init().update(message).digest("binary");
  };
}
