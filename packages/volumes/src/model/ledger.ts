import type { ObjectId } from "@chatelaine/keys/interface";
import type { VolumeLayout } from "./layout.ts";

/** What a volume is to us; `disk` is the ephemeral disk of an instance. */
export type VolumeKind = "volume" | "snapshot" | "disk";

/** On disk. `plain` has no header: cipher and key are known to the ledger alone. */
export type VolumeFormat = "luks1" | "luks2" | "plain";

/** A volume as the ledger knows it. */
export interface VolumeRecord {
  /** A UUID; of a LUKS volume, the one in its header. */
  readonly id: string;
  readonly kind: VolumeKind;
  /** Whose it is: the label that {@link VolumeContext} had. */
  readonly project: string;
  /** Whose path `location` is: {@link Ledger.host} of the ledger that wrote it. */
  readonly host: string;
  /** Absolute path of its file or block device. No two volumes of one host have the same. */
  readonly location: string;
  readonly format: VolumeFormat;
  /** dm-crypt's name, such as `aes-xts-plain64`. */
  readonly cipher: string;
  /** Undefined only while it is being created. */
  readonly keyId: ObjectId | undefined;
  /** Only a `ready` one of which no operation is unfinished is promised to open. */
  readonly state: "creating" | "ready" | "deleting";
  /** What it was made from. */
  readonly parentId: string | undefined;
  /** Path of the newest header backup. */
  readonly headerBackup: string | undefined;
  /**
   * What its header said when the ledger last had reason to believe it. Undefined of
   * plain disks, while the volume is being created, and in rows from before.
   */
  readonly layout: VolumeLayout | undefined;
  /** What else must be known to map it again, such as an instance's name. Never a secret. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly created: Date;
  readonly updated: Date;
}

/**
 * - `preparing`: steps that can be taken back.
 * - `finishing`: the change is committed; what remains can only go forward.
 * - `undoing`: steps are being taken back, last first.
 */
export type OperationPhase = "preparing" | "finishing" | "undoing" | "done" | "undone";

/** An operation as far as it has come. */
export interface OperationRecord {
  /** A UUID; part of the names of the keys that the operation makes. */
  readonly id: string;
  readonly kind: string;
  readonly volumeId: string;
  readonly project: string;
  /** Where the disks are that it works on: only there can it be recovered. */
  readonly host: string;
  readonly phase: OperationPhase;
  /** The index, within its phase's steps, of the step that may have been begun. */
  readonly step: number;
  /** What was asked for, as JSON can say it. Never a secret. */
  readonly input: object;
  /** What the steps found out. Never a secret. */
  readonly facts: object;
  /** What went wrong last. */
  readonly problem: string | undefined;
  readonly created: Date;
  readonly updated: Date;
}

/** A volume's record as it is to be, or that it is to be none. */
export type VolumeChange =
  | { readonly type: "put"; readonly volume: VolumeRecord }
  | { readonly type: "remove"; readonly id: string };

/** Which volumes; what is absent does not restrict. */
export interface VolumeFilter {
  readonly project?: string | undefined;
  readonly host?: string | undefined;
  readonly kind?: VolumeKind | undefined;
  readonly keyId?: ObjectId | undefined;
  readonly parentId?: string | undefined;
}

/** Held until released, or until its process is gone. */
export interface Lock {
  /**
   * Aborted once the lock may be another's, because the ledger could not be told in
   * time that its holder lives. The reason is a `VolumeError`, `busy`. From then on
   * the holder must not touch the volume, and no {@link Ledger.write} of his is taken.
   */
  readonly lost: AbortSignal;
  /** Never rejects: what could not be given back now is so later, at the latest with the process. */
  release(): Promise<void>;
}

/**
 * The durable record of volumes and of what is being done to them.
 *
 * Every write has survived a loss of power when its promise resolves. Processes
 * may share a ledger; they exclude each other by {@link Ledger.lock}, nothing else.
 * Rejects with `VolumeError` only: `unavailable` while its database is away, `io`.
 */
export interface Ledger {
  /**
   * Names the machine, or all machines that see the same disks at the same paths.
   * Of a ledger that is one machine's own always `localhost`.
   */
  readonly host: string;
  /** Undefined if there is none of that id. */
  volume(id: string): Promise<VolumeRecord | undefined>;
  /** The volume at a path of this host. */
  volumeAt(location: string): Promise<VolumeRecord | undefined>;
  /** In the order of their creation; those of every host, unless the filter names one. */
  volumes(filter?: VolumeFilter): Promise<readonly VolumeRecord[]>;
  /** Undefined if there is none of that id. */
  operation(id: string): Promise<OperationRecord | undefined>;
  /** Those that are neither done nor undone, of every host, oldest first. */
  unfinished(volumeId?: string): Promise<readonly OperationRecord[]>;
  /**
   * Writes an operation as it stands, and what it changes of volumes, all or nothing.
   * Whoever writes has the lock of the operation's volume.
   *
   * @throws `exists` if another volume has that location; `busy` if the lock is not, or no longer, the caller's
   */
  write(operation: OperationRecord, changes?: readonly VolumeChange[]): Promise<void>;
  /**
   * Takes the right to work on a subject, a volume's id. A holder whose process has
   * died loses it: on this machine at once, on another after a while that the
   * implementation states.
   *
   * @throws `busy` if a living process, this one included, has it
   */
  lock(subject: string): Promise<Lock>;
  /** Notes that nobody needs a key. @returns since when that has been so */
  quarantineKey(id: ObjectId, now: Date): Promise<Date>;
  /** The keys in quarantine. */
  quarantinedKeys(): Promise<readonly ObjectId[]>;
  /** Takes a key out of quarantine: it is needed after all, or gone. */
  releaseKey(id: ObjectId): Promise<void>;
  /** Nothing may be called afterwards. */
  close(): Promise<void>;
}
