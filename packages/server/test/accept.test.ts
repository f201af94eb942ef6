/** What real clients send as Accept, and what they get for it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { holds } from "../../../scripts/random-runs.ts";
import { Accept } from "../src/routes/accept.ts";
import { type Harness, idOf, startHarness } from "./support/harness.ts";

const java17 = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2";
const browser =
  "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
const axios = "application/json, text/plain, */*";
const spring = "text/plain, */*";

const octets = "application/octet-stream";
const text = "text/plain; charset=UTF-8";

const post = async (ask: Harness["ask"], body: object) =>
  `/v1/secrets/${idOf((await ask("POST", "/v1/secrets", { body })).json["secret_ref"])}`;
const base64 = (bytes: Buffer) => ({
  payload: bytes.toString("base64"),
  payload_content_type: octets,
  payload_content_encoding: "base64",
});
const textSecret = { payload: "grüß", payload_content_type: "text/plain" };
const keySecret = base64(Buffer.of(0xff, 0xfe));

const get = (ask: Harness["ask"], path: string, accept: string | undefined) =>
  ask("GET", path, { headers: accept === undefined ? {} : { accept } });

describe("a payload", () => {
  it("is sent to a client that takes anything, whatever else it lists", async (t) => {
    const { ask } = await startHarness(t);
    const key = await post(ask, keySecret);
    const note = await post(ask, textSecret);
    for (const accept of [spring, axios, java17, browser, "*/*", "*/*;q=0.8", "image/png, *"]) {
      const [binary, plain] = [
        await get(ask, `${key}/payload`, accept),
        await get(ask, `${note}/payload`, accept),
      ];
      assert.deepEqual([binary.status, binary.headers["content-type"]], [200, octets], accept);
      assert.deepEqual([...binary.bytes], [0xff, 0xfe]);
      assert.deepEqual([plain.status, plain.headers["content-type"]], [200, text], accept);
    }
  });

  it("is sent as the type that the client wants most, of those that it can be sent as", async (t) => {
    const { ask } = await startHarness(t);
    const paths = {
      key: await post(ask, keySecret),
      note: await post(ask, textSecret),
      // Bytes that happen to be text.
      word: await post(ask, base64(Buffer.from("word"))),
    };
    const cases: readonly (readonly [string, keyof typeof paths, string | number])[] = [
      ["", "note", octets],
      ["text/plain, application/octet-stream;q=0.5", "key", octets],
      ["text/plain, application/octet-stream;q=0.5", "note", text],
      ["text/plain;q=0.5, application/octet-stream", "note", octets],
      ["text/plain, */*", "word", octets],
      ["text/plain, */*;q=0.1", "word", text],
      ["text/plain, application/octet-stream", "word", octets],
      ["application/*", "note", octets],
      ["text/*", "note", text],
      ["text/*", "key", 406],
      ["text/plain;q=0, */*", "note", octets],
      ["text/plain;q=0", "note", 406],
      ["*/*;q=0", "key", 406],
      ["text/plain;q=high", "note", 406],
      ["application/octet-stream;q=0.001", "key", octets],
      ["application/pkcs8, application/octet-stream;q=0.9", "key", "application/pkcs8"],
      ["Application/Octet-Stream", "key", octets],
      ["text/plain;charset=utf-8", "note", "text/plain;charset=utf-8"],
      ['text/plain; charset="UTF-8"', "note", text],
      ["text/plain; charset=iso-8859-1", "note", 406],
      ["text/plain; charset=iso-8859-1, */*;q=0.5", "note", text],
      ['a/b;x="text/plain, */*"', "note", 406],
      ["application/json, */*;q=0.1", "key", octets],
      ["application/json", "key", 406],
      [",, ,", "key", octets],
      [";", "key", 406],
    ];
    for (const [accept, which, wanted] of cases) {
      const answer = await get(ask, `${paths[which]}/payload`, accept);
      const found = answer.status === 200 ? answer.headers["content-type"] : answer.status;
      assert.equal(found, wanted, `${accept} of ${which}`);
    }
  });
});

describe("a secret", () => {
  it("is described, and not read, unless the client wants its payload more than JSON", async (t) => {
    const { ask } = await startHarness(t);
    for (const path of [await post(ask, keySecret), await post(ask, textSecret)])
      for (const accept of [
        undefined,
        "",
        "*/*",
        "*/*;q=0.8",
        java17,
        browser,
        axios,
        spring,
        "application/json;q=0.1",
        "application/json; charset=utf-8",
        "image/png, application/*",
        "text/plain;q=0.5, application/json",
        "text/plain, application/json",
        "application/json-home",
      ]) {
        const answer = await get(ask, path, accept);
        assert.equal(answer.status, 200, String(accept));
        assert.match(String(answer.headers["content-type"]), /^application\/json/, String(accept));
        assert.equal(answer.json["status"], "ACTIVE");
      }
  });

  it("is read the deprecated way by a client that wants its payload more", async (t) => {
    const { ask } = await startHarness(t);
    const path = await post(ask, textSecret);
    for (const accept of [
      "text/plain",
      octets,
      "text/*",
      "text/plain, application/json;q=0.9",
      "application/json;q=0.5, text/plain",
      "text/plain, */*;q=0.01",
      "application/pkcs8, */*;q=0.5",
    ])
      assert.equal((await get(ask, path, accept)).text, "grüß", accept);
  });

  it("is described to a client that takes this, too, where the payload cannot be sent", async (t) => {
    const { ask } = await startHarness(t);
    const [key, empty] = [await post(ask, keySecret), await post(ask, {})];
    for (const [path, accept, status] of [
      [key, "text/plain, application/json;q=0.5", 200],
      [key, "text/plain, */*;q=0.1", 200],
      [empty, "text/plain, */*;q=0.1", 200],
      [empty, "text/plain, application/json;q=0.5", 200],
      [empty, "text/plain", 404],
      [key, "text/plain", 406],
      [key, "image/png", 406],
      [key, "application/json;q=0", 406],
    ] as const) {
      const answer = await get(ask, path, accept);
      assert.equal(answer.status, status, `${path} ${accept}`);
      assert.match(String(answer.headers["content-type"]), /^application\/json/);
      if (status === 200) assert.equal(answer.json["status"], "ACTIVE", accept);
    }
  });
});

describe("the list of versions", () => {
  it("is given to whoever takes JSON, and to whoever says nothing", async (t) => {
    const { ask } = await startHarness(t);
    for (const [accept, status] of [
      [undefined, 300],
      ["", 300],
      [" ", 300],
      [browser, 300],
      [java17, 300],
      [axios, 300],
      ["application/*;q=0.1", 300],
      ["application/vnd.openstack.key-manager-v1+json", 300],
      ["application/json, application/json-home;q=0.5", 300],
      ["application/json-home", 302],
      ["application/json-home, application/json;q=0.5", 302],
      ["text/html, text/plain", 406],
      ["application/json;q=0", 406],
      ["*/*, application/json;q=0", 406],
    ] as const) {
      const headers = accept === undefined ? {} : { accept };
      const answer = await ask("GET", "/", { token: null, headers });
      assert.equal(answer.status, status, String(accept));
    }
  });
});

describe("the health of the server", () => {
  it("is JSON for whoever names JSON, and a word for everybody else", async (t) => {
    const { ask } = await startHarness(t);
    for (const [accept, wanted] of [
      ["application/json", /^application\/json/],
      [axios, /^application\/json/],
      ["", /^text\/plain/],
      ["*/*", /^text\/plain/],
      [browser, /^text\/plain/],
      ["text/plain, application/json;q=0.5", /^text\/plain/],
      ["application/json;q=0", /^text\/plain/],
      ["image/png", /^text\/plain/],
    ] as const) {
      const answer = await ask("GET", "/healthcheck", { token: null, headers: { accept } });
      assert.match(String(answer.headers["content-type"]), wanted, accept);
    }
  });
});

const others = (count: number) => Array.from({ length: count }, (_, n) => `a/${n}`).join(",");

describe("an Accept header", () => {
  it("is read to its end, however many types come before the one that can be sent", async (t) => {
    const { ask } = await startHarness(t);
    const note = await post(ask, textSecret);
    for (const count of [63, 64, 65, 1_000, 3_500]) {
      const json = await get(ask, note, `${others(count)},application/json`);
      assert.equal(json.status, 200, `${count}`);
      const plain = await get(ask, `${note}/payload`, `${others(count)},text/plain`);
      assert.equal(plain.text, "grüß", `${count}`);
      const none = await get(ask, `${note}/payload`, `*/*,${others(count)},text/plain;q=0`);
      assert.equal(none.headers["content-type"], octets, `${count}`);
      const parameters = ";x=y".repeat(count);
      const refused = await get(ask, `${note}/payload`, `text/plain${parameters};q=0`);
      assert.equal(refused.status, 406, `${count} parameters`);
    }
  });

  it("stops no server, up to what fits into a head", { timeout: 5_000 }, () => {
    for (const piece of [",", "a,", ";", '"', "a;q=0,", "\\", ",*/*;charset=x"]) {
      const accept = Accept.parse(piece.repeat(32_768 / piece.length));
      for (let n = 0; n < 100; n++) accept.quality("text/plain");
    }
  });

  it("gives every type a quality from 0 to 1, whatever is sent", (t) => {
    const piece = fc.constantFrom(
      ...'text plain application json * / , ; = q Q charset utf-8 " \\ 0.5 .5 1. 1e9 -1 0x1'.split(
        " ",
      ),
      " ",
      "é",
    );
    holds(
      t,
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const accept = Accept.parse(pieces.join(""));
        for (const type of ["text/plain", "application/json"]) {
          const quality = accept.quality(type);
          assert.ok(quality >= 0 && quality <= 1, `${type}: ${quality}`);
        }
      }),
    );
  });
});
