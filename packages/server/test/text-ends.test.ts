/** Which characters at the ends of a text are dropped: those that Python's str.strip drops for Barbican. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pythonStrip } from "../src/routes/python-strip.ts";
import { type Harness, idOf, startHarness } from "./support/harness.ts";

/** Every character of which Python says `isspace()`. */
const spaces = [
  ...Array.from(
    "\t\n\v\f\r\u001c\u001d\u001e\u001f \u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000",
  ),
  ...Array.from({ length: 11 }, (_, n) => String.fromCharCode(0x2000 + n)),
];

const kept = async (ask: Harness["ask"], payload: string) => {
  const body = { payload, payload_content_type: "text/plain" };
  const made = await ask("POST", "/v1/secrets", { body });
  if (made.status !== 201) return made.status;
  const path = `/v1/secrets/${idOf(made.json["secret_ref"])}/payload`;
  return (await ask("GET", path, { headers: { accept: "text/plain" } })).text;
};

describe("a payload that is posted", () => {
  it("keeps a byte order mark at its ends", async (t) => {
    const { ask } = await startHarness(t);
    assert.equal(await kept(ask, "\ufeffkey\ufeff"), "\ufeffkey\ufeff");
    assert.equal(await kept(ask, " \ufeff "), "\ufeff");
  });

  it("loses the separators U+001C to U+001F and U+0085 at its ends, and none inside", async (t) => {
    const { ask } = await startHarness(t);
    for (const space of ["\u001c", "\u001d", "\u001e", "\u001f", "\u0085"]) {
      assert.equal(await kept(ask, `${space}k${space}y${space}`), `k${space}y`);
      assert.equal(await kept(ask, space), 400, "there is no payload left");
    }
  });

  it("loses white space of every other kind at its ends, and nothing else", async (t) => {
    const { ask } = await startHarness(t);
    assert.equal(await kept(ask, `${spaces.join("")}a b${spaces.join("")}`), "a b");
    for (const not of ["\u180e", "\u200b", "\u2060", "\0"])
      assert.equal(pythonStrip(`${not}x${not}`), `${not}x${not}`);
  });
});

describe("a text without an end of white space", () => {
  it("is what Python leaves of it, for each of the first 65,536 characters", () => {
    for (let code = 0; code < 0x1_0000; code++) {
      const character = String.fromCharCode(code);
      const wanted = spaces.includes(character) ? "x" : `${character}x${character}`;
      assert.equal(pythonStrip(`${character}x${character}`), wanted, `U+${code.toString(16)}`);
    }
  });
});
