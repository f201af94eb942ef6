import type { LuksToken } from "../format/luks-token.ts";

/**
 * The JSON area of a LUKS2 header, as it is on disk: LUKS2 On-Disk Format, section 3.
 * Numbers of 64 bits are decimal strings there. Fields that we do not know are kept when we write.
 */
export interface Luks2Metadata {
  readonly keyslots: Readonly<Record<string, Luks2Keyslot>>;
  readonly tokens: Readonly<Record<string, LuksToken>>;
  readonly segments: Readonly<Record<string, Luks2Segment>>;
  readonly digests: Readonly<Record<string, Luks2Digest>>;
  readonly config: Luks2Config;
}

/** Section 3.2. */
export interface Luks2Keyslot {
  readonly type: string;
  /** Of the volume key, in bytes. */
  readonly key_size: number;
  readonly af?: { readonly type: "luks1"; readonly stripes: number; readonly hash: string };
  readonly area: {
    readonly type: string;
    readonly offset: string;
    readonly size: string;
    readonly encryption?: string;
    readonly key_size?: number;
  };
  readonly kdf?: Luks2Kdf;
  /** 0 ignore unless asked for, 1 normal, 2 try first. */
  readonly priority?: number;
}

export type Luks2Kdf =
  | {
      readonly type: "pbkdf2";
      readonly salt: string;
      readonly hash: string;
      readonly iterations: number;
    }
  | {
      readonly type: "argon2i" | "argon2id";
      readonly salt: string;
      readonly time: number;
      /** In KiB. */
      readonly memory: number;
      readonly cpus: number;
    };

/** The type of the key slot in which cryptsetup keeps the state of a re-encryption. It holds no key. */
export const reencryptionSlotType = "reencrypt";

/** Section 3.3. */
export interface Luks2Segment {
  readonly type: string;
  readonly offset: string;
  /** In bytes, or `dynamic`: to the end of the device. */
  readonly size: string;
  readonly iv_tweak: string;
  readonly encryption: string;
  readonly sector_size: number;
  /** Of dm-integrity. */
  readonly integrity?: unknown;
  readonly flags?: readonly string[];
}

/** Section 3.4. */
export interface Luks2Digest {
  readonly type: string;
  readonly keyslots: readonly string[];
  readonly segments: readonly string[];
  readonly salt: string;
  readonly digest: string;
  readonly hash: string;
  readonly iterations: number;
}

/** Section 3.1. */
export interface Luks2Config {
  readonly json_size: string;
  readonly keyslots_size: string;
  readonly flags?: readonly string[];
  readonly requirements?: { readonly mandatory?: readonly string[] };
}

/** Key slots and tokens are numbered from 0 to 31. */
export const maxEntries = 32;
