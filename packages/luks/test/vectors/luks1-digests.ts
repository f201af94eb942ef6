import type { HashName } from "../../src/crypto/hashes.ts";

/** A volume key, and its digest in a LUKS1 header: LUKS1 On-Disk Format 1.2.3, section 3.1, mk-digest. */
export interface Luks1DigestVector {
  readonly hash: HashName;
  readonly volumeKey: Uint8Array;
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly digest: Uint8Array;
}

const row = (
  hash: HashName,
  volumeKey: string,
  salt: string,
  iterations: number,
  digest: string,
): Luks1DigestVector => ({
  hash,
  volumeKey: Buffer.from(volumeKey, "hex"),
  salt: Buffer.from(salt, "hex"),
  iterations,
  digest: Buffer.from(digest, "hex"),
});

/** From disks that cryptsetup 2.6.1 has formatted. */
export const luks1Digests: readonly Luks1DigestVector[] = [
  row(
    "sha1",
    "39f73a967272e8a81d3975508d2b380330ad5ccd786e2f040b51ddad4f996161",
    "f0b83223297fc6e5225bb7cc769e99526b0af0078536e364bb394b41815e5010",
    1000,
    "8d130e661adb27c3793df1fa455440e458af659e",
  ),
  row(
    "sha224",
    "ac035a3d024f156417bc1055a8312f8d95628e88f1e6e538f2b9240f60d6ab3e",
    "c5ff03c17e77a3395c4debe83ebb778da9a84983f92a4e757d9368414a9b49ab",
    1000,
    "d7c59ec6d6cb4e13e26e96db971ec1add38d3304",
  ),
  row(
    "sha256",
    "ef0f81bf346e651d4b87b1f2c96ba18cabd2d366c96c786706116a582683eff6",
    "abc536f1aad63d7440f4922a2c97e1c5e62bfec4a21c7de6ee4ce332c9520a60",
    1000,
    "26e3f45cb56c7be233bf00d8e5031a2c34a6f186",
  ),
  row(
    "sha384",
    "3a175120e3195df0ff139b4050ff39835b4a430b76fb4e1ea33f42d6fbe124dc",
    "e98b510360f78ccece0c9a6e8b35b3116e03586d5fb9492310a414af0cab1307",
    1000,
    "3d29ecaba521b26962f63151940e02d347c5c62a",
  ),
  row(
    "sha512",
    "e5f72023dc6c1d356fd9c571b0870c5cdd4fb7500a6b1f141ce0203a6044225b",
    "c039dae97966cf0c969273b230d98f0ee03987ca61897bc3851aab1fd7894c0a",
    1000,
    "4d24bd0900ff494c8d45f99ca6b2921e493ee822",
  ),
  row(
    "sha3-224",
    "10e798f9fa81a0875d4b4cc9b57f6e007f1636d20aaec9c15ef32433e2f063d8",
    "ba0aad3bec7fabe723f8833b9691789260aa50cdb40b430f76a1de1aa24e1c80",
    1000,
    "fff1e44496b88ae9d8c62925ef32d1915881f64a",
  ),
  row(
    "sha3-256",
    "cb9378eb74870a6f8145168eb28f30a86abe28ff2121cee3ccd8076f25feae6c",
    "515bbeadf66114c9c4ef150396dbdadc20e64b31d636c8c41f36bb7848458049",
    1000,
    "839ae8bb09cb3fc7d8eb3de11cd50a3ec6508e99",
  ),
  row(
    "sha3-384",
    "2a7a63f95b77ef0d5c910d558ee019374b47646ac9656318a66b0151b62b5eda",
    "ce3f2e03b902acd4eb895b66452535663cd28f4e83a8855f14e045a6f8d31726",
    1000,
    "9988b31b3ea659d307dd2cc5d269584970b612d6",
  ),
  row(
    "sha3-512",
    "38462474a3a84f88c84dfbf39c0c203ce1806405fbf151cab7d0c71c805d910a",
    "0e4018887c1e2d9967d3eda57b1713fd7edf8ccfbca0012f839ce5e1d3b539a9",
    1000,
    "b9079a0999172bb0b837bf033b01c52a9635461e",
  ),
  row(
    "blake2b-512",
    "1bef83f7c984c01c307ac2cf3a99b2b2bcb71d96cadf61e11f58651313db63bc",
    "9ae12aaaffcbdb486883f89cc1c62c3146a824307987347cd1e1ce6c0705c21f",
    1000,
    "3ca1f3c1d14f730205402a1a37d4902049b5c708",
  ),
  row(
    "blake2s-256",
    "1850e7d59756ba1f3bb7d56d77081eab2c2fb30faaeb5a89846f5faf719c038c",
    "df99b1ccdfdb90473b202662ae3dff61184b62d009b09cbf7d83b6e5a81c7c84",
    1000,
    "7ef9ae12c8f2e6967ac89ae9b0b7dbcade0cbe5d",
  ),
  row(
    "ripemd160",
    "ad909de25fc7d49e8945b91117e369e4395408fb3d7f3d40a638d1335ae39907",
    "4c288cb04356e9178ad88878efe40c38cdba6ec132cf7d40bd69b271f9b5f576",
    1000,
    "9d7eed91dad8a05ccf106f388bed95084e00c729",
  ),
  row(
    "sm3",
    "8be1a9fc7f16e67fc029440becb9cec18295c1d2359bbdbfa204e30ad21ddaef",
    "386823827d8a6f3737ea4f0010d35d01751c636dc77233cf07d294d8663757fc",
    1000,
    "a9fff1f232d10379ae0033d78b7952aee17e72b3",
  ),
];
