/** Images that cryptsetup and we see differently on purpose, or until we do better. */
export interface Difference {
  /** `FIELD: VALUE`, where `*` stands for any text; what a valid image is called must be in full. */
  readonly images: readonly string[];
  /** Of the dump and of the passphrase, as in `accepted, opens slot 0`. */
  readonly cryptsetup: string;
  readonly ours: string;
  /** What our own message says, where the images alone do not tell. */
  readonly says?: RegExp;
  /** One sentence. */
  readonly reason: string;
}

const opens = "accepted, opens slot 0";
const wrong = "accepted, does not open";
/** The dump shows it, and no passphrase opens it. */
const shown = "accepted, refused";
const refused = "refused, refused";

const names = (field: string, values: readonly string[]) =>
  values.map((value) => `${field}: ${value}`);

/** By what is behind them. */
export const differences: readonly Difference[] = [
  // Ciphers and hashes.
  {
    images: [
      ...names("luks1 cipher", [
        "aes-xts-plain64be, 256 bits",
        "aes-xts-benbi, 256 bits",
        "aes-cbc-benbi, 256 bits",
        "aes-cbc-null, 256 bits",
        "aes-ecb, 128 bits",
        "aes-ecb, 256 bits",
        "camellia-cbc-plain64, 256 bits",
        "camellia-cbc-essiv:sha256, 256 bits",
      ]),
      ...names("luks2 area cipher", [
        "aes-xts-plain64be, 256 bits",
        "aes-xts-benbi, 256 bits",
        "aes-xts-null, 256 bits",
        "aes-cbc-benbi, 256 bits",
        "aes-cbc-null, 256 bits",
        "aes-ecb, 128 bits",
        "aes-ecb, 256 bits",
        "camellia-cbc-plain64, 128 bits",
        "camellia-cbc-plain64, 192 bits",
        "camellia-cbc-plain64, 256 bits",
        "camellia-cbc-essiv:sha256, 256 bits",
      ]),
    ],
    cryptsetup: opens,
    ours: shown,
    reason:
      "The library computes AES in XTS and CBC with the sector numbers that cryptsetup's own defaults ever had; a cipher or numbering beyond these is left to cryptsetup.",
  },
  {
    images: ["made luks1 cipher", "made luks2 cipher"].flatMap((field) =>
      names(field, [
        "aes-xts-plain64, 384 bits",
        "aes-cbc-benbi, 256 bits",
        "aes-ecb, 256 bits",
        "aes-xts-plain64be, 512 bits",
        "aes-lrw-benbi, 256 bits",
        "aes-lrw-benbi, 384 bits",
        "serpent-xts-plain64, 256 bits",
        "serpent-xts-plain64, 512 bits",
        "serpent-cbc-essiv:sha256, 256 bits",
        "twofish-xts-plain64, 256 bits",
        "twofish-xts-plain64, 512 bits",
        "twofish-cbc-essiv:sha256, 256 bits",
        "camellia-xts-plain64, 512 bits",
        "camellia-cbc-essiv:sha256, 256 bits",
        "cast5-cbc-plain64, 128 bits",
        "cast6-xts-plain64, 512 bits",
        "blowfish-cbc-plain64, 128 bits",
        "des3_ede-cbc-plain64, 192 bits",
        "xchacha12,aes-adiantum-plain64, 256 bits",
        "xchacha20,aes-adiantum-plain64, 256 bits",
      ]),
    ),
    cryptsetup: opens,
    ours: shown,
    reason:
      "The key slots have the cipher of the data, which the library does not compute: OpenSSL has none of them, or Node.js does not offer it.",
  },
  {
    images: names("made luks2 integrity", [
      "hmac-sha256 under aes-xts-random",
      "aead under aes-gcm-random",
      "poly1305 under chacha20-random",
    ]),
    cryptsetup: opens,
    ours: shown,
    reason: "Of dm-integrity's tags, only HMAC with SHA-256 and SHA-512 under AES is mapped.",
  },
  {
    images: ["luks2 area cipher: aes-xts-plain64:sha256, 256 bits"],
    cryptsetup: shown,
    ours: opens,
    reason:
      "It is aes-xts-plain64 to the kernel, which ignores the hash; cryptsetup's own code for the key slots of LUKS2 does not.",
  },
  {
    images: ["made luks1 hash: whirlpool", "made luks2 hash: whirlpool"],
    cryptsetup: opens,
    ours: shown,
    reason: "OpenSSL has Whirlpool in its legacy provider alone, which Node.js does not load.",
  },
  {
    images: ['luks1 hash name: "sha-256"'],
    cryptsetup: opens,
    ours: shown,
    reason: "LUKS spells it sha256, and so does every program that writes it.",
  },
  {
    images: [
      ...names("luks1 hash name", ['"md5"', '"crc32"', '"tomorrow"', '""', `"${"s".repeat(32)}"`]),
    ],
    cryptsetup: refused,
    ours: shown,
    reason: "A dump needs no hash, so ours shows the header and says that it cannot be opened.",
  },
  {
    images: names("luks2 segment cipher", [
      "aes-xts-plain64be, 256 bits",
      "aes-xts-random, 256 bits",
      "aes-cbc-essiv:md5, 128 bits",
      "aes-cbc-benbi, 256 bits",
      "aes-cbc-lmk, 128 bits",
      "aes:64-cbc-lmk, 512 bits",
      "aes-cbc-tcw, 384 bits",
      "aes-cbc-eboiv, 256 bits",
      "aes-cbc-elephant, 512 bits",
      "aes-ecb, 256 bits",
      "aes-lrw-benbi, 384 bits",
      "aes-gcm-random, 256 bits",
      "aes-ccm-random, 256 bits",
      "aegis128-random, 128 bits",
      "chacha20-random, 256 bits",
      "cast5-cbc-plain64, 128 bits",
      "cast6-xts-plain64, 512 bits",
      "blowfish-cbc-plain64, 128 bits",
      "des3_ede-cbc-plain64, 192 bits",
      "sm4-xts-plain64, 256 bits",
      "aria-xts-plain64, 512 bits",
      "paes-xts-plain64, 512 bits",
      "capi:xts(aes)-plain64, 512 bits",
      "capi:authenc(hmac(sha256),xts(aes))-random, 512 bits",
    ]),
    cryptsetup: opens,
    ours: shown,
    reason:
      "What the data is encrypted with goes into a table for the kernel, so only ciphers of the table in cipher-table.ts are let through; cryptsetup looks at it when it maps the disk.",
  },
  {
    images: names("luks2 segments.0.encryption", ['"aes"', '"tomorrow-xts-plain64"']),
    cryptsetup: opens,
    ours: shown,
    reason: "No kernel has such a cipher, and cryptsetup only finds out when it maps the disk.",
  },
  {
    images: names("luks2 segments.0.encryption", ['"cipher_null-ecb"', '"null"']),
    cryptsetup: opens,
    ours: shown,
    reason:
      "A header with a null cipher makes its owner write plaintext, so whoever can change a header would use it.",
  },
  {
    images: names("luks2 integrity", [
      "hmac(sha1) under aes-xts-plain64",
      "hmac(sha256) under aes-xts-random",
      "cmac(aes) under aes-xts-plain64",
      "poly1305 under chacha20-random",
      "aead under aes-gcm-random",
      "none under aes-xts-plain64",
      "crc32c under aes-xts-plain64",
    ]),
    cryptsetup: opens,
    ours: shown,
    reason: "Of dm-integrity's tags, only HMAC with SHA-256 and SHA-512 under AES is mapped.",
  },
  {
    images: names("luks2 segments.0.integrity", [
      '{"type":"tomorrow","journal_encryption":"none","journal_integrity":"none"}',
      '{"type":"hmac(sha256)","journal_encryption":"aes-cbc","journal_integrity":"none"}',
      '{"type":"hmac(sha256)","journal_encryption":"none","journal_integrity":"hmac(sha256)"}',
      '{"type":"hmac(sha256)","journal_encryption":"none","journal_integrity":"none","key_size":32}',
    ]),
    cryptsetup: opens,
    ours: shown,
    reason: "Of dm-integrity's tags, only HMAC with SHA-256 and SHA-512 under AES is mapped.",
  },
  {
    images: [
      ...names("luks2 segments.0.integrity", [
        "{}",
        '{"type":"hmac(sha256)"}',
        '"hmac(sha256)"',
        "null",
      ]),
      'luks2 segments.0.offset: "1048577"',
    ],
    cryptsetup: refused,
    ours: shown,
    reason: "Our dump shows what is wrong with the segment, and nothing opens it.",
  },
  {
    images: names("luks2 volume key length", ["1", "15", "16", "24", "33", "128"]),
    cryptsetup: opens,
    ours: shown,
    reason:
      "The kernel takes no key of that length for the cipher, which cryptsetup finds out when it maps the disk.",
  },
  {
    images: ['luks1 cipher name: "AES"'],
    cryptsetup: opens,
    ours: shown,
    reason:
      "The kernel knows ciphers in lower case, and cryptsetup asks it only when it maps the disk.",
  },
  {
    images: ['luks1 cipher mode: "ecb"'],
    cryptsetup: wrong,
    ours: shown,
    reason: "We say that we do not compute the cipher before we try the passphrase.",
  },
  {
    images: names("luks2 keyslots.0.area.encryption", ['"aes"', '"aes-"']),
    cryptsetup: wrong,
    ours: shown,
    reason:
      "cryptsetup completes such a name to aes-cbc-plain, which no header has needed since LUKS1.",
  },
  {
    images: ['luks2 keyslots.0.area.encryption: "aes-xts-plain64 "'],
    cryptsetup: opens,
    ours: shown,
    reason: "A blank in a cipher's name would move the words of a table for the kernel.",
  },
  {
    images: names("luks2 keyslots.0.af.hash", ['"md5"']),
    cryptsetup: wrong,
    ours: shown,
    reason: "We say that we do not know the hash before we try the passphrase.",
  },
  {
    images: names("luks2 keyslots.0.kdf.hash", ['"md5"']),
    cryptsetup: wrong,
    ours: shown,
    reason: "We say that we do not know the hash before we try the passphrase.",
  },

  // The digest, which proves the volume key.
  {
    images: names("luks2 digests.0.hash", ['"md5"', '"tomorrow"', '""']),
    cryptsetup: opens,
    ours: shown,
    reason:
      "cryptsetup 2.6 takes any volume key as proven if the digest's length is not that of its hash; we do not open what is not proven.",
  },
  {
    images: [
      ...names("luks2 digests.0.hash", ["1"]),
      ...names("luks2 digests.0.salt", ["empty", "a number"]),
      ...names("luks2 digests.0.digest", ["empty", "a number"]),
    ],
    cryptsetup: opens,
    ours: refused,
    reason:
      "cryptsetup 2.6 takes any volume key as proven if salt or digest have a length that it does not expect; to us that is no digest.",
  },
  {
    images: ["luks2 salt length: 4 in the digest"],
    cryptsetup: opens,
    ours: refused,
    reason:
      "cryptsetup 2.6 takes any volume key as proven if the salt is not 32 bytes; we refuse a salt of less than 8 bytes.",
  },
  {
    images: [
      ...names("luks2 digests.0.salt", ["a byte less", "a byte more"]),
      ...names("luks2 digests.0.digest", ["a byte less", "a byte more"]),
    ],
    cryptsetup: opens,
    ours: wrong,
    reason:
      "cryptsetup 2.6 takes any volume key as proven if salt or digest have a length that it does not expect; we compute the digest, which is another.",
  },
  {
    images: [
      ...names("luks2 digests.0.hash", ["missing"]),
      ...names("luks2 digests.0.iterations", ["0", "missing"]),
      ...["salt", "digest"].flatMap((name) =>
        names(`luks2 digests.0.${name}`, [
          "without padding",
          "with too much padding",
          "with other bits left over",
          "in the alphabet for URLs",
          "with a letter that is none",
        ]),
      ),
    ],
    cryptsetup: shown,
    ours: refused,
    reason: "A digest that proves nothing makes the whole header useless, so we refuse to read it.",
  },
  {
    images: [
      ...names("luks2 digests.0.iterations", ['"1000"', "1000.5", "4294968296"]),
      ...["salt", "digest"].flatMap((name) =>
        names(`luks2 digests.0.${name}`, [
          "with a line end behind",
          "with a line end inside",
          "with a blank inside",
        ]),
      ),
    ],
    cryptsetup: opens,
    ours: refused,
    reason:
      "The specification has a number of 32 bits and plain base64 there; cryptsetup reads past what is wrong with them.",
  },
  {
    images: names("luks2 second digest", [
      "of the segment, too",
      "of an unknown type, of the segment, too",
    ]),
    cryptsetup: opens,
    ours: shown,
    reason:
      "With two digests over the data, whoever wrote the second chooses the volume key; cryptsetup takes the first.",
  },
  {
    images: names("luks2 digests.0.segments", ["[]"]),
    cryptsetup: refused,
    ours: shown,
    reason: "Our dump shows a segment without a digest, so that its owner sees what is wrong.",
  },

  // Key slots.
  {
    images: [
      "luks1 slots: []",
      ...names("luks1 slot 0 active", ["57005", "0", "1", "11301362", "2893148928", "4294967295"]),
      "made luks1 after: erase",
      ...names("luks2 priority", ["0 and 0", "0 alone"]),
      "luks2 keyslots.0.priority: 0",
      "luks2 unbound slot: behind the bound one",
      "made luks2 unbound slot: its passphrase",
    ],
    cryptsetup: shown,
    ours: wrong,
    reason:
      "cryptsetup says that no slot is usable, if the last one that it looked at was none for the data; we say that no slot opens.",
  },
  {
    images: names("luks1 slot 0 iterations", ["0"]),
    cryptsetup: shown,
    ours: refused,
    reason:
      "A slot in use without iterations is damage, and LUKS1 has no checksum that would tell how much of it.",
  },
  {
    images: [
      ...names("luks1 slot 1 active", ["11301363"]),
      ...names("luks1 slot 7 active", ["11301363"]),
    ],
    cryptsetup: opens,
    ours: refused,
    reason:
      "A slot in use without iterations is damage, and LUKS1 has no checksum that would tell how much of it.",
  },
  {
    images: ["luks1 digest iterations: 0"],
    cryptsetup: shown,
    ours: refused,
    reason:
      "Without iterations nothing proves the volume key: no passphrase opens it in cryptsetup, either.",
  },
  {
    images: names("luks2 keyslots.0.key_size", ["0", "4294967295"]),
    cryptsetup: shown,
    ours: refused,
    reason: "No cipher has a key of that length, and no memory should be asked for it.",
  },
  {
    images: names("luks2 keyslots.0.key_size", ["1", "31"]),
    cryptsetup: wrong,
    ours: shown,
    reason: "The kernel takes no key of that length for the cipher.",
  },
  {
    images: names("luks2 keyslots.0.key_size", ["33", "64", "512", "513"]),
    cryptsetup: wrong,
    ours: refused,
    reason:
      "The slot's area is smaller than its key material, so that it would end in another slot's.",
  },
  {
    images: names("luks2 keyslots.0.area.size", ['"512"', '"4096"', '"127488"']),
    cryptsetup: opens,
    ours: refused,
    reason:
      "The slot's area is smaller than its key material, so that it would end in another slot's.",
  },
  {
    images: names("luks2 keyslots.0.area.key_size", ["0", "513", "-32"]),
    cryptsetup: shown,
    ours: refused,
    reason: "No cipher has a key of that length, and no memory should be asked for it.",
  },
  {
    images: names("luks2 keyslots.0.af.stripes", ["1", "2", "3999", "4001"]),
    cryptsetup: opens,
    ours: shown,
    reason:
      "The specification has 4,000 stripes alone; cryptsetup computes with these whatever the header says.",
  },
  {
    images: names("luks2 keyslots.0.af.stripes", ["0", "8000", "65536", "-1"]),
    cryptsetup: opens,
    ours: refused,
    reason: "The specification has 4,000 stripes alone, and more of them do not fit the area.",
  },
  {
    images: names("luks2 keyslots.0.area.offset", ['"32769"', '"33000"']),
    cryptsetup: opens,
    ours: shown,
    reason:
      "Areas begin at sectors: cryptsetup rounds the offset down and reads what another program would not.",
  },
  {
    images: names("luks2 keyslots.0.priority", ['"1"', "1.5", "true"]),
    cryptsetup: opens,
    ours: refused,
    reason: "A priority is 0, 1 or 2; cryptsetup makes a number of anything.",
  },
  {
    images: names("luks2 keyslots.0.priority", ["3", "-1", "null"]),
    cryptsetup: shown,
    ours: refused,
    reason: "A priority is 0, 1 or 2; cryptsetup never tries such a slot.",
  },
  {
    images: names("luks2 keyslots.0.kdf.iterations", ["0"]),
    cryptsetup: shown,
    ours: refused,
    reason: "There is no derivation without iterations, so that no program wrote it.",
  },
  {
    images: names("luks2 keyslots.0.kdf.salt", [
      "with a line end behind",
      "with a line end inside",
      "with a blank inside",
    ]),
    cryptsetup: opens,
    ours: shown,
    reason: "The specification has plain base64; cryptsetup skips blanks and line ends.",
  },
  {
    images: names("luks2 keyslots.0.type", ['"reencrypt"']),
    cryptsetup: refused,
    ours: shown,
    reason: "Our dump shows a re-encryption that lacks its parts, and nothing touches such a disk.",
  },

  // Numbers and JSON.
  {
    images: [
      ...names("luks2 keyslots.0.key_size", ["32.0 as it is", "3.2e1 as it is"]),
      ...names("luks2 keyslots.0.af.stripes", ["4000.0 as it is"]),
      ...names("luks2 keyslots.0.area.key_size", ["32.0 as it is"]),
      ...names("luks2 keyslots.0.kdf.iterations", ["1000.0 as it is", "1e3 as it is"]),
      ...names("luks2 segments.0.sector_size", ["512.0 as it is"]),
    ],
    cryptsetup: refused,
    ours: opens,
    reason:
      "JSON has one kind of number, in which 32.0 is 32; cryptsetup's parser tells them apart by their spelling.",
  },
  {
    images: [
      'luks2 config.json_size: "012288"',
      'luks2 keyslots.0.area.offset: "032768"',
      'luks2 segments.0.offset: "01048576"',
      'luks2 segments.0.iv_tweak: "00"',
      ...names("luks2 numbers of tokens", ['"00"', '""']),
    ],
    cryptsetup: opens,
    ours: refused,
    reason:
      "One number has one spelling, so that no two programs find two entries under one number.",
  },
  {
    images: names("luks2 numbers of digests", ['"00"', '""']),
    cryptsetup: shown,
    ours: refused,
    reason:
      "One number has one spelling, so that no two programs find two entries under one number.",
  },
  {
    images: [...names("luks2 numbers of digests", ['"32"'])],
    cryptsetup: opens,
    ours: refused,
    reason: "Entries are numbered from 0 to 31, which is all that a dump of cryptsetup shows.",
  },
  {
    images: ['luks2 numbers of keyslots: "32"'],
    cryptsetup: "accepted, opens slot 32",
    ours: refused,
    reason: "Entries are numbered from 0 to 31, which is all that a dump of cryptsetup shows.",
  },
  {
    images: ['luks2 numbers of keyslots: "99"'],
    cryptsetup: "accepted, opens slot 99",
    ours: refused,
    reason: "Entries are numbered from 0 to 31, which is all that a dump of cryptsetup shows.",
  },
  {
    images: ['luks2 numbers of tokens: "32"'],
    cryptsetup: shown,
    ours: refused,
    reason: "Entries are numbered from 0 to 31; cryptsetup fails an assertion of its own here.",
  },
  {
    images: [
      ...["offset", "size"].flatMap((name) =>
        names(`luks2 segments.0.${name}`, ['"9223372036854775808"', '"18446744073709551104"']),
      ),
      'luks2 segments.0.iv_tweak: "18446744073709551615"',
    ],
    cryptsetup: opens,
    ours: refused,
    reason: "No device reaches that far, and JavaScript's numbers do not, either.",
  },
  {
    images: names("luks2 sequence", [
      "9007199254740992",
      "9223372036854775808",
      "18446744073709551615",
    ]),
    cryptsetup: opens,
    ours: refused,
    reason:
      "A header that is written 9 quadrillion times is none, and one more write of the last number would begin again at zero.",
  },
  {
    images: names("luks2 segments.0.sector_size", ["1536", "8192", "65536"]),
    cryptsetup: opens,
    ours: refused,
    reason:
      "dm-crypt has sectors of 512, 1024, 2048 and 4096 bytes; cryptsetup asks it when it maps the disk.",
  },
  {
    images: names("luks2 json text", [
      "a blank behind",
      "a line end behind",
      "no UTF-8",
      "a line end in a text",
      "a tab in a text",
      "a comment",
      "a line comment",
      "single quotes",
      "a comma before a brace",
      "a comma before a bracket",
      "no number",
      "TRUE",
      "a number with a zero before",
    ]),
    cryptsetup: opens,
    ours: refused,
    reason:
      "The area holds a JSON object (RFC 8259) and NULs behind it; cryptsetup's parser takes what is not JSON, and every other reader something else.",
  },

  // Binary header, texts and UUIDs.
  {
    images: names("luks2 checksum algorithm", [
      '"sha1"',
      '"sha224"',
      '"sha384"',
      '"SHA256"',
      '"sha-256"',
    ]),
    cryptsetup: opens,
    ours: refused,
    reason:
      "cryptsetup writes sha256 and nothing else, and a weaker checksum would let damage pass.",
  },
  {
    images: [...names("luks2 label", ["a tab"]), ...names("luks2 subsystem", ["a tab"])],
    cryptsetup: opens,
    ours: shown,
    reason:
      "A text with control characters could command a terminal, or write a line of its own into a log.",
  },
  {
    images: ["luks2 json text: an escaped NUL in a text"],
    cryptsetup: opens,
    ours: shown,
    reason:
      "A text with control characters could command a terminal, or write a line of its own into a log.",
  },
  {
    images: [
      ...["luks1 uuid", "luks2 uuid"].flatMap((field) =>
        names(field, [
          '""',
          '"no uuid"',
          '"1B4E28BA-2FA1-41D2-883F-0016D3CCA427"',
          '"1b4e28ba2fa141d2883f0016d3cca427"',
        ]),
      ),
      'luks2 uuid: "1b4e28ba"',
      'luks1 uuid: "../../../etc"',
    ],
    cryptsetup: opens,
    ours: shown,
    reason:
      "The UUID becomes part of a mapping's name and of paths, so that only the form that every tool writes is taken.",
  },
  {
    images: [`luks1 uuid: "${"0".repeat(40)}"`, `luks2 uuid: "${"x".repeat(40)}"`],
    cryptsetup: opens,
    ours: shown,
    reason: "cryptsetup cuts the last letter where the NUL is missing; to us it is no UUID.",
  },

  // Requirements, flags and segments.
  {
    images: names("made luks2 re-encryption", ["encryption begun", "decryption begun"]),
    cryptsetup: opens,
    ours: shown,
    reason:
      "A re-encryption that another tool began is to be finished by that tool before anything opens the disk.",
  },
  {
    images: names("made luks2 re-encryption", [
      "begun",
      "begun, checksum",
      "begun, journal",
      "begun, none",
    ]),
    cryptsetup: "accepted, opens slot 1",
    ours: shown,
    reason:
      "A re-encryption that another tool began is to be finished by that tool before anything opens the disk.",
  },
  {
    images: names("luks2 config.requirements", [
      '{"mandatory":["offline-reencrypt"]}',
      '{"mandatory":["inline-hw-tags"]}',
      '{"mandatory":["opal"]}',
      '{"mandatory":["tomorrow"]}',
      '{"mandatory":[""]}',
    ]),
    cryptsetup: opens,
    ours: shown,
    reason:
      "cryptsetup tests a passphrase in spite of a requirement that keeps it from opening the disk.",
  },
  {
    images: names("luks2 config.requirements", [
      '{"mandatory":["online-reencrypt"]}',
      '{"mandatory":["online-reencrypt-v2"]}',
      '{"mandatory":["online-reencrypt-v3"]}',
    ]),
    cryptsetup: refused,
    ours: shown,
    reason: "Our dump shows a re-encryption that lacks its parts, and nothing touches such a disk.",
  },
  {
    images: [
      ...names("luks2 segments.0.flags", ['["in-reencryption"]', '["tomorrow"]']),
      ...names("luks2 segments.0.type", ['"linear"', '"CRYPT"', '"tomorrow"']),
      "luks2 second segment: backup of a re-encryption",
    ],
    cryptsetup: opens,
    ours: shown,
    reason:
      "A disk has one segment of type crypt and no flags, unless it is in the middle of a re-encryption: only that is mapped.",
  },
  {
    images: [
      ...names("luks2 segments.0.flags", ['["backup-final"]']),
      ...names("luks2 numbers of segments", ['"1"', '"31"']),
      ...names("luks2 second segment", [
        "linear behind",
        "linear over the first",
        "crypt behind",
        "crypt behind, of no digest",
        "crypt behind, number 2",
        "of tomorrow",
      ]),
    ],
    cryptsetup: refused,
    ours: shown,
    reason:
      "Our dump shows segments that do not follow on each other, so that their owner sees them; nothing opens them.",
  },

  // The catalogue of hostile fields, by what we say.
  {
    images: ["hostile *"],
    cryptsetup: opens,
    ours: shown,
    says: /has control characters|UUID/,
    reason:
      "A text that could command a terminal, end a line of a log or name a path is refused; cryptsetup prints it.",
  },
  {
    images: ["hostile *"],
    cryptsetup: opens,
    ours: shown,
    says: /unknown cipher|null cipher|not of type crypt|unknown flags|of an unknown kind|exactly one data segment/,
    reason:
      "Only what the kernel is known to map safely is opened; cryptsetup looks when it maps the disk.",
  },
  {
    images: ["hostile digests.0.hash: *"],
    cryptsetup: opens,
    ours: shown,
    says: /of its volume key/,
    reason:
      "cryptsetup 2.6 takes any volume key as proven if the digest's length is not that of its hash.",
  },
  {
    images: ["hostile digests.0.*"],
    cryptsetup: opens,
    ours: wrong,
    reason:
      "cryptsetup 2.6 takes any volume key as proven if salt or digest have a length that it does not expect.",
  },
  {
    images: ["hostile digests.0.*"],
    cryptsetup: opens,
    ours: refused,
    says: /digest 0: /,
    reason:
      "cryptsetup 2.6 takes any volume key as proven if salt or digest have a length that it does not expect, and makes a number of anything.",
  },
  {
    images: ["hostile digests.0.*"],
    cryptsetup: shown,
    ours: refused,
    says: /digest 0: /,
    reason: "A digest that proves nothing makes the whole header useless, so we refuse to read it.",
  },
  {
    images: ["hostile *"],
    cryptsetup: opens,
    ours: shown,
    says: /requirement|re-encrypti(on|ng)/,
    reason:
      "cryptsetup tests a passphrase in spite of a requirement that keeps it from opening the disk.",
  },
  {
    images: ["hostile keyslots.0.*"],
    cryptsetup: opens,
    ours: shown,
    says: /key slot 0 is ignored/,
    reason:
      "cryptsetup reads 4,000 stripes whatever the header says, rounds offsets down, and reads a cipher's name up to its first blank.",
  },
  {
    images: ["hostile *"],
    cryptsetup: wrong,
    ours: shown,
    says: /is ignored|unknown cipher|unsupported cipher|null cipher|does not fit|hash/,
    reason: "We say that we do not compute a cipher, hash or key before we try the passphrase.",
  },
  {
    images: ["hostile keyslots.0.*"],
    cryptsetup: wrong,
    ours: refused,
    says: /area smaller|bad key_size/,
    reason:
      "The slot's area is smaller than its key material, so that it would end in another slot's.",
  },
  {
    images: ["hostile *"],
    cryptsetup: opens,
    ours: refused,
    says: /: (segment 0|keyslot 0|config): |a (keyslot|digest|token) has a bad number/,
    reason:
      "A number that the specification does not have, or a text that cryptsetup reads up to its NUL only.",
  },
  {
    images: ["hostile *"],
    cryptsetup: shown,
    ours: refused,
    says: /keyslot 0: |has a bad number/,
    reason:
      "No program writes such a slot or token, and no passphrase opens the disk in cryptsetup, either.",
  },
  {
    images: ["hostile *"],
    cryptsetup: opens,
    ours: refused,
    says: /not a bounded JSON object/,
    reason:
      "The area holds a JSON object (RFC 8259) in UTF-8; cryptsetup's parser takes what is not JSON.",
  },
  {
    images: ["hostile *"],
    cryptsetup: shown,
    ours: refused,
    says: /not a bounded JSON object/,
    reason:
      "The area holds a JSON object (RFC 8259) in UTF-8; cryptsetup's parser takes what is not JSON.",
  },
  {
    images: ["hostile *"],
    cryptsetup: shown,
    ours: wrong,
    says: /no key slot opens/,
    reason:
      "cryptsetup says that no slot is usable, if the last one that it looked at was none for the data; we say that no slot opens.",
  },
  {
    images: ["hostile *: with an empty fraction", "hostile *: with an exponent"],
    cryptsetup: refused,
    ours: opens,
    reason:
      "JSON has one kind of number, in which 32.0 is 32; cryptsetup's parser tells them apart by their spelling.",
  },
  {
    images: ["hostile *"],
    cryptsetup: refused,
    ours: shown,
    says: /unknown flags|exactly one|of an unknown kind|control characters|re-encrypti(on|ng)|offset is not a multiple|0 digests|hash/,
    reason: "Our dump shows what is wrong with the header, and nothing opens it.",
  },
  {
    images: ["hostile binary *"],
    cryptsetup: opens,
    ours: refused,
    says: /binary header is damaged/,
    reason:
      "cryptsetup writes the checksum sha256 and nothing else, and no disk is written 9 quadrillion times.",
  },
];
