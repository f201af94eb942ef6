import { clearMaterial, digestOf, knownKey } from "./attacker-key.ts";
import { texts } from "./families.ts";
import type { Aim, Field, HostileValue } from "./field.ts";
import type { Luks2Draft } from "./luks2-draft.ts";

type Value = HostileValue<Luks2Draft>;
type Entries = Record<string, Record<string, unknown>>;

/** What needs several fields at once: each is consistent in itself, and opens, if nobody looks closely. */
export const luks2Attacks: readonly Field<Luks2Draft>[] = [
  {
    name: "attack: a table in the cipher",
    values: [
      "another disk in the table",
      "attacker's key in the table",
      "no encryption in the table",
      "a second device",
    ].flatMap((name) =>
      [0, 4096, 1048576].map(
        (less): Value => ({
          name: `${name}, ${less} bytes less`,
          write: (draft, aim) => {
            const diskBytes = aim.diskBytes - less;
            segment(draft)["encryption"] = texts[name]?.("aes-xts-plain64", { ...aim, diskBytes });
            segment(draft)["size"] = String(diskBytes - aim.dataOffset);
          },
        }),
      ),
    ),
  },
  {
    name: "attack: no encryption",
    values: ["cipher_null-ecb", "cipher_null-xts-plain64", "capi:ecb(cipher_null)-plain64"].map(
      (cipher) => ({
        name: cipher,
        write: (draft) => {
          segment(draft)["encryption"] = cipher;
        },
      }),
    ),
  },
  {
    name: "attack: a slot of the attacker's",
    values: [0, 1, 2].flatMap((priority) => [
      slotBeside(`priority ${priority}, its digest covers the segment`, priority, ["0"], []),
      slotBeside(`priority ${priority}, both digests cover it`, priority, ["0"], ["0"]),
      slotBeside(`priority ${priority}, its digest covers nothing`, priority, [], ["0"]),
      slotBeside(`priority ${priority}, no digest covers it`, priority, [], []),
    ]),
  },
  {
    name: "attack: a header of the attacker's",
    values: ["cipher_null-ecb", "capi:ecb(cipher_null)-plain64", "aes-xts-plain64"].map(
      (areaCipher) => ({
        name: `slot 0 with ${areaCipher} holds the attacker's key`,
        write: (draft) => {
          const keyBytes = keyBytesOf(draft);
          draft.json["keyslots"] = { "0": attackerSlot(draft, 32_768, 1, areaCipher) };
          draft.json["digests"] = { "0": attackerDigest(["0"], ["0"], keyBytes) };
        },
      }),
    ),
  },
  {
    name: "attack: segments",
    values: [
      change("two crypt segments", ({ draft, first, aim }) => {
        const half = (aim.diskBytes - aim.dataOffset) / 2;
        return {
          "0": { ...first, size: String(half) },
          "1": { ...first, offset: String(aim.dataOffset + half), ...covered(draft, ["0", "1"]) },
        };
      }),
      change("an encrypted and a linear segment", ({ first, aim }) => ({
        "0": { ...first, size: "4096" },
        "1": { type: "linear", offset: String(aim.dataOffset + 4096), size: "dynamic" },
      })),
      change("a linear and an encrypted segment", ({ draft, first, aim }) => ({
        "0": { type: "linear", offset: String(aim.dataOffset), size: "4096" },
        "1": { ...first, offset: String(aim.dataOffset + 4096), ...covered(draft, ["1"]) },
      })),
      change("a linear segment alone", ({ draft, aim }) => ({
        "0": {
          type: "linear",
          offset: String(aim.dataOffset),
          size: "dynamic",
          ...covered(draft, []),
        },
      })),
      change("the second half without encryption", ({ draft, first, aim }) => ({
        "0": { ...first, size: "4096" },
        "1": {
          ...first,
          offset: String(aim.dataOffset + 4096),
          encryption: "cipher_null-ecb",
          ...covered(draft, ["0", "1"]),
        },
      })),
      change("two segments of the same bytes", ({ draft, first }) => ({
        "0": first,
        "1": { ...first, ...covered(draft, ["0", "1"]) },
      })),
      change("over the key slots", ({ first }) => ({ "0": { ...first, offset: "32768" } })),
      change("over the header", ({ first }) => ({ "0": { ...first, offset: "0" } })),
      change("over the key slots, which shrink", ({ draft, first }) => {
        config(draft)["keyslots_size"] = "262144";
        return { "0": { ...first, offset: "294912" } };
      }),
      change("a sector past the end", ({ first, aim }) => ({
        "0": { ...first, size: String(aim.diskBytes - aim.dataOffset + 4096) },
      })),
      change("the end at the end of 64 bits", ({ first }) => ({
        "0": { ...first, size: "18446744073709547520" },
      })),
      change("sectors of 4,096 bytes, size to match", ({ first, aim }) => ({
        "0": { ...first, sector_size: 4096, size: String(aim.diskBytes - aim.dataOffset) },
      })),
      change("another first sector number", ({ first }) => ({
        "0": { ...first, iv_tweak: "8" },
      })),
      change("half the disk", ({ first, aim }) => ({
        "0": { ...first, size: String((aim.diskBytes - aim.dataOffset) / 2) },
      })),
      change("none at all", ({ draft }) => {
        entry(draft, "digests")["segments"] = [];
        return {};
      }),
      change("no digest", ({ draft, first }) => {
        entry(draft, "digests")["segments"] = [];
        return { "0": first };
      }),
      change("in the middle of a re-encryption", ({ draft, first }) => {
        config(draft)["requirements"] = { mandatory: ["online-reencrypt-v2"] };
        return {
          "0": first,
          "1": { ...first, flags: ["backup-previous"] },
          "2": { ...first, flags: ["backup-final"], ...covered(draft, ["0", "1", "2"]) },
        };
      }),
    ],
  },
  {
    name: "attack: slots",
    values: [
      {
        name: "the honest slot twice",
        write: ({ json }) => {
          const keyslots = json["keyslots"] as Entries | undefined;
          json["keyslots"] = { ...keyslots, "5": keyslots?.["0"] };
        },
      },
      {
        name: "the honest slot under another number",
        write: (draft) => {
          draft.json["keyslots"] = { "7": entry(draft, "keyslots") };
          entry(draft, "digests")["keyslots"] = ["7"];
          entry(draft, "tokens")["keyslots"] = ["7"];
        },
      },
      {
        name: "the honest slot ignored unless it is asked for",
        write: (draft) => {
          entry(draft, "keyslots")["priority"] = 0;
        },
      },
      {
        name: "the digest over again, weaker",
        write: ({ json }) => {
          const digests = json["digests"] as Entries | undefined;
          json["digests"] = { ...digests, "1": { ...digests?.["0"], iterations: 1 } };
        },
      },
    ],
  },
];

function slotBeside(
  name: string,
  priority: number,
  its: readonly string[],
  honest: readonly string[],
): Value {
  return {
    name,
    write: (draft) => {
      const { json } = draft;
      const keyBytes = keyBytesOf(draft);
      const slot = attackerSlot(draft, 524_288, priority, "cipher_null-ecb");
      json["keyslots"] = { ...(json["keyslots"] as Entries), "1": slot };
      entry(draft, "digests")["segments"] = honest;
      const digest = attackerDigest(["1"], its, keyBytes);
      json["digests"] = { ...(json["digests"] as Entries), "1": digest };
    },
  };
}

/** A slot that every passphrase opens, if its cipher encrypts nothing. */
function attackerSlot(draft: Luks2Draft, offset: number, priority: number, cipher: string) {
  const honest = entry(draft, "keyslots");
  const key = knownKey(keyBytesOf(draft));
  draft.writes.push({ offset, bytes: clearMaterial(key, 4000, "sha256") });
  return {
    ...honest,
    priority,
    area: {
      type: "raw",
      offset: String(offset),
      size: String(Math.ceil((key.length * 4000) / 4096) * 4096),
      encryption: cipher,
      key_size: key.length,
    },
  };
}

function attackerDigest(keyslots: readonly string[], segments: readonly string[], bytes: number) {
  return {
    type: "pbkdf2",
    keyslots,
    segments,
    hash: "sha256",
    iterations: 1000,
    salt: Buffer.alloc(32).toString("base64"),
    digest: digestOf(knownKey(bytes), "sha256", 32).toString("base64"),
  };
}

function change(
  name: string,
  make: (parts: {
    readonly draft: Luks2Draft;
    readonly first: Record<string, unknown>;
    readonly aim: Aim;
  }) => Entries,
): Value {
  return {
    name,
    write: (draft, aim) => {
      draft.json["segments"] = make({ draft, first: segment(draft), aim });
    },
  };
}

/** The honest digest covers these segments. Adds no member where it is spread. */
function covered(draft: Luks2Draft, segments: readonly string[]): object {
  entry(draft, "digests")["segments"] = segments;
  return {};
}

function segment(draft: Luks2Draft): Record<string, unknown> {
  return entry(draft, "segments");
}

/** The first entry, or an empty one if another hostile field has replaced it. */
function entry({ json }: Luks2Draft, of: string): Record<string, unknown> {
  const entries = json[of];
  const first = (entries as Entries | null | undefined)?.["0"];
  return typeof first === "object" && first !== null ? first : {};
}

/** As the honest slot has it, or as many if another hostile field has replaced that. */
function keyBytesOf(draft: Luks2Draft): number {
  const bytes = entry(draft, "keyslots")["key_size"];
  return bytes === 32 || bytes === 64 ? bytes : 64;
}

function config({ json }: Luks2Draft): Record<string, unknown> {
  const { config: found } = json;
  return typeof found === "object" && found !== null ? (found as Record<string, unknown>) : {};
}
