import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SecretBytes } from "@chatelaine/keys/interface";
import { RootKeyError, type RootKeyErrorReason } from "../root-key-error.ts";
import type { RootKeySlotKind, SlotParameters } from "../slot.ts";

/** A kind of slot, ready for one root key. */
export interface SlotScene {
  readonly slot: RootKeySlotKind;
  readonly parameters: SlotParameters;
  readonly rootKey: SecretBytes;
  /** Takes away what opens the slot: deletes the file, unplugs the device. Returns the kind as it is afterwards. */
  readonly withdraw: () => Promise<RootKeySlotKind>;
}

/** What every kind of root key slot promises. A kind that cannot keep a promise does not ship. */
export function keepsTheSlotPromises(name: string, set: () => Promise<SlotScene>): void {
  describe(`the root key slot ${name}`, () => {
    const never = new AbortController().signal;

    it("opens what it sealed, to many at once", async () => {
      const { slot, parameters, rootKey } = await set();
      const sealed = await slot.seal(parameters, rootKey, never);
      const opened = await Promise.all([1, 2, 3].map(() => slot.open(sealed, never)));
      for (const key of opened) assert.ok(key.equals(rootKey));
    });

    it("opens the record after it was stored as JSON", async () => {
      const { slot, parameters, rootKey } = await set();
      const text = JSON.stringify(await slot.seal(parameters, rootKey, never));
      assert.equal(JSON.parse(text).kind, slot.kind);
      assert.ok((await slot.open(JSON.parse(text), never)).equals(rootKey));
    });

    it("shows the key in no form in the record that it returns", async () => {
      const { slot, parameters, rootKey } = await set();
      assertHidden(JSON.stringify(await slot.seal(parameters, rootKey, never)), rootKey);
    });

    it("says that it is absent when what opens it is gone", async () => {
      const { slot, parameters, rootKey, withdraw } = await set();
      const sealed = await slot.seal(parameters, rootKey, never);
      const after = await withdraw();
      await rejects(() => after.open(sealed, never), "absent", rootKey);
    });

    it("refuses the record of another kind", async () => {
      const { slot, parameters, rootKey } = await set();
      const sealed = await slot.seal(parameters, rootKey, never);
      await rejects(() => slot.open({ ...sealed, kind: "other" }, never), "refused", rootKey);
    });

    it("refuses a record without the fields that it needs", async () => {
      const { slot, parameters, rootKey } = await set();
      const sealed = await slot.seal(parameters, rootKey, never);
      for (const field of Object.keys(sealed).filter((each) => each !== "kind")) {
        const { [field]: _, ...less } = sealed;
        const damaged = { ...less, kind: slot.kind };
        await rejects(() => slot.open(damaged, never), "refused", rootKey);
      }
    });

    it("ends with unavailable when it is aborted", async () => {
      const { slot, parameters, rootKey } = await set();
      const aborted = AbortSignal.abort();
      await rejects(() => slot.seal(parameters, rootKey, aborted), "unavailable", rootKey);
      const sealed = await slot.seal(parameters, rootKey, never);
      await rejects(() => slot.open(sealed, aborted), "unavailable", rootKey);
    });
  });
}

async function rejects(
  act: () => Promise<unknown>,
  reason: RootKeyErrorReason,
  rootKey: SecretBytes,
): Promise<void> {
  await assert.rejects(act, (error) => {
    assert.ok(error instanceof RootKeyError, String(error));
    assert.equal(error.reason, reason, error.message);
    assertHidden(error.message, rootKey);
    return true;
  });
}

function assertHidden(text: string, rootKey: SecretBytes): void {
  rootKey.use((bytes) => {
    for (const form of ["hex", "base64", "base64url", "latin1"] as const)
      assert.ok(!text.includes(Buffer.from(bytes).toString(form)), `the key in ${form}`);
  });
}
