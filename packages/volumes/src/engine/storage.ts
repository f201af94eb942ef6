import { isAbsolute } from "node:path";
import { type LogicalVolume, logicalVolumePath } from "../host/logical-volume.ts";

/** The members of operations' inputs that name storage. What an operation does not write stays undefined. */
interface StorageInput {
  readonly location?: unknown;
  /** Folder of a journal; the default one lies beside `location`. */
  readonly journal?: unknown;
  /** Of a header backup; of a resize, its sizes. */
  readonly file?: unknown;
  /** The logical volume of an ephemeral disk. */
  readonly volume?: LogicalVolume | null;
  /** The disk that is copied. */
  readonly from?: StorageInput | null;
}

/** The absolute paths of all storage that an operation touches: what it makes beside them is on the same file systems. */
export function storageOf(input: object): readonly string[] {
  const { location, journal, file, volume, from } = input as StorageInput;
  const disk =
    typeof volume === "object" && volume !== null ? logicalVolumePath(volume) : undefined;
  const own = [location, journal, file, disk].filter(
    (path): path is string => typeof path === "string" && isAbsolute(path),
  );
  return typeof from === "object" && from !== null ? [...own, ...storageOf(from)] : own;
}
