import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { SecretBytes } from "@chatelaine/keys";
import { keepsTheSlotPromises } from "../src/crypto/root-key/conformance/slot-promises.ts";
import { fileSlotKind } from "../src/crypto/root-key/slots/file.ts";
import { valueSlotKind } from "../src/crypto/root-key/slots/value.ts";

const folder = mkdtempSync(join(tmpdir(), "chatelaine-root-key-slots-"));
after(() => rmSync(folder, { recursive: true }));
let files = 0;

keepsTheSlotPromises("file", async () => {
  const path = join(folder, `root-key-${files++}`);
  return {
    slot: fileSlotKind,
    parameters: { path, id: "1" },
    rootKey: SecretBytes.random(32),
    withdraw: async () => {
      rmSync(path);
      return fileSlotKind;
    },
  };
});

keepsTheSlotPromises("value", async () => {
  const rootKey = SecretBytes.random(32);
  const text = rootKey.use((bytes) => Buffer.from(bytes).toString("base64"));
  return {
    slot: valueSlotKind(SecretBytes.fromText(`${text}\n`)),
    parameters: {},
    rootKey,
    withdraw: async () => valueSlotKind(undefined),
  };
});
