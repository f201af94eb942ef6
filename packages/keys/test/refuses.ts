import assert from "node:assert/strict";
import { inspect } from "node:util";
import { KeyManagerError, type KeyManagerErrorCode } from "../src/index.ts";

/**
 * Asserts that a call fails with one code and a message that says what to do,
 * and that nothing of the error, its causes included, shows any of the secrets:
 * neither as they are, nor in base64, nor in hexadecimal.
 */
export async function refuses(
  call: Promise<unknown> | (() => unknown),
  code: KeyManagerErrorCode,
  message: RegExp,
  secrets: readonly (string | Uint8Array)[] = [],
): Promise<KeyManagerError> {
  const error = await (async () => (typeof call === "function" ? call() : call))().then(
    (value) => assert.fail(`it did not fail, but gave ${inspect(value)}`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof KeyManagerError, `a KeyManagerError, not ${inspect(error)}`);
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  showsNone(error, secrets);
  return error;
}

export function showsNone(error: unknown, secrets: readonly (string | Uint8Array)[]): void {
  const shown = everythingOf(error).toLowerCase();
  for (const secret of secrets) {
    const bytes = Buffer.from(secret as string);
    const forms = [
      typeof secret === "string" ? secret : bytes.toString("latin1"),
      bytes.toString("base64"),
      bytes.toString("base64url"),
      bytes.toString("hex"),
    ];
    for (const form of forms) {
      assert.ok(!shown.includes(form.toLowerCase()), `a secret shows in ${shown}`);
    }
  }
}

function everythingOf(error: unknown): string {
  const texts = [
    inspect(error, { depth: Infinity, showHidden: true, getters: true, maxStringLength: Infinity }),
    String(error),
    JSON.stringify(error) ?? "",
  ];
  for (let at = error, depth = 0; at instanceof Error && depth < 10; at = at.cause, depth += 1) {
    texts.push(at.message, at.stack ?? "", JSON.stringify(Object.getOwnPropertyDescriptors(at)));
  }
  return texts.join("\n");
}
