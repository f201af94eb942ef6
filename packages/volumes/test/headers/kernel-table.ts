/** A mapping as the kernel has it. */
export interface KernelMapping {
  readonly name: string;
  readonly uuid: string;
  /** `MAJOR:MINOR` of what lies beneath, by the kernel's own account. */
  readonly dependencies: readonly string[];
  /** The lines of `dmsetup table --showkeys`, without the name. */
  readonly lines: readonly string[];
}

/** A line of dm-crypt's. */
export interface CryptLine {
  readonly start: number;
  /** In 512-byte sectors. */
  readonly length: number;
  readonly cipher: string;
  /** In hexadecimal, or `:BYTES:TYPE:DESCRIPTION` of one in the kernel's keyring. */
  readonly key: string;
  readonly ivOffset: number;
  readonly device: string;
  /** In 512-byte sectors. */
  readonly offset: number;
  readonly options: readonly string[];
}

/** @returns undefined for any other target, and for whatever does not look like dm-crypt's own output */
export function parseCryptLine(line: string): CryptLine | undefined {
  const match =
    /^(\d+) (\d+) crypt ([^ ]+) ([0-9a-f]+|:\d+:[a-z]+:[^ ]+) (\d+) (\d+:\d+) (\d+)(?: (\d+) (.+))?$/.exec(
      line,
    );
  if (match === null) return undefined;
  const options = match[9]?.split(" ") ?? [];
  if (Number(match[8] ?? 0) !== options.length) return undefined;
  const [, start, length, cipher = "", key = "", ivOffset, device = "", offset] = match;
  return {
    start: Number(start),
    length: Number(length),
    cipher,
    key,
    ivOffset: Number(ivOffset),
    device,
    offset: Number(offset),
    options,
  };
}

/** The lines of one mapping in `dmsetup table --showkeys`. */
export function tableOf(name: string, tables: string): readonly string[] {
  return tables
    .split("\n")
    .flatMap((line) => (line.startsWith(`${name}: `) ? [line.slice(name.length + 2)] : []));
}
