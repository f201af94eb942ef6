/** What a client learns of a body that is not taken: that it is too large, or compressed, and before it sends it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { login, startBuiltinHarness } from "./support/builtin-harness.ts";
import { type Harness, idOf, startHarness } from "./support/harness.ts";

const json = { "content-type": "application/json" };
const text = (length: number) => ({
  payload: "x".repeat(length),
  payload_content_type: "text/plain",
});
const bothLimits =
  /too large.*\b1000\b.*limits\.payloadBytes.*\b1250\b.*\b4000\b.*limits\.bodyBytes/;

describe("a body that is too large", () => {
  it("is 413, and the answer names both limits", async (t) => {
    const { ask } = await startHarness(t, { maxPayloadBytes: 1_000, maxBodyBytes: 4_000 });
    const made = await ask("POST", "/v1/secrets", { body: {} });
    const path = `/v1/secrets/${idOf(made.json["secret_ref"])}`;
    const octets = { "content-type": "application/octet-stream" };
    for (const [method, at, options] of [
      ["POST", "/v1/secrets", { body: text(1_001) }],
      ["POST", "/v1/secrets", { body: text(2_000) }],
      ["POST", "/v1/secrets", { body: text(4_000) }],
      ["POST", "/v1/containers", { body: { type: "generic", name: "x".repeat(2_000) } }],
      ["PUT", path, { headers: octets, body: Buffer.alloc(1_001) }],
      ["PUT", path, { headers: octets, body: Buffer.alloc(4_001) }],
    ] as const) {
      const answer = await ask(method, at, options);
      assert.equal(answer.status, 413, answer.text);
      assert.match(String(answer.json["description"]), bothLimits, method);
    }
  });

  it("is not called malformed because a client escapes what is not ASCII", async (t) => {
    const { ask } = await startHarness(t);
    const escaped = `{"payload":"${"\\u00fc".repeat(10_000)}","payload_content_type":"text/plain"}`;
    const refused = await ask("POST", "/v1/secrets", { headers: json, body: escaped });
    assert.equal(refused.status, 413);
    assert.match(String(refused.json["description"]), /too large.*20000.*25000.*UTF-8/);
    const body = { payload: "ü".repeat(10_000), payload_content_type: "text/plain" };
    assert.equal((await ask("POST", "/v1/secrets", { body })).status, 201);
  });

  it("is 413 with advice that fits the route: a container has no payload to send by PUT", async (t) => {
    const { ask } = await startHarness(t);
    const long = "x".repeat(26_000);
    const { json: made } = await ask("POST", "/v1/secrets", { body: {} });
    const secret = `/v1/secrets/${idOf(made["secret_ref"])}`;
    for (const [method, path, advice] of [
      ["POST", "/v1/secrets", / Send text as UTF-8 without .* by PUT\.$/],
      [
        "POST",
        "/v1/containers",
        / Name secrets by their ids, .*container by POST to its \/secrets\.$/,
      ],
      ["PUT", `${secret}/metadata`, / Add keys one by one, by POST\.$/],
      ["POST", `${secret}/metadata`, / Send text as UTF-8 without \\u escapes\.$/],
      ["POST", "/v1/orders", / Send text as UTF-8 without \\u escapes\.$/],
    ] as const) {
      const answer = await ask(method, path, { body: { long } });
      assert.equal(answer.status, 413, path);
      assert.match(String(answer.json["description"]), advice, path);
    }
  });

  it("is 413 in Keystone's form where a login is", async (t) => {
    const { ask } = await startBuiltinHarness(t);
    const options = { token: null, headers: json, body: "x".repeat(70_000) };
    const answer = await ask("POST", "/v3/auth/tokens", options);
    assert.equal(answer.status, 413);
    assert.match(answer.text, /"error":\{.*too large: it may have 65536 bytes/);
  });
});

describe("a compressed body", () => {
  for (const coding of [
    "gzip",
    "GZIP",
    "x-gzip",
    "deflate",
    "br",
    "zstd",
    "compress",
    "base64, gzip",
    "gzip;q=1",
  ])
    it(`is 415 with ${coding}, and nothing is stored`, async (t) => {
      const { ask } = await startHarness(t);
      const headers = { ...json, "content-encoding": coding };
      const body = gzipSync(JSON.stringify({ name: "x" }));
      const made = await ask("POST", "/v1/secrets", { body: {} });
      const path = `/v1/secrets/${idOf(made.json["secret_ref"])}`;
      for (const [method, at] of [
        ["POST", "/v1/secrets"],
        ["POST", "/v1/containers"],
        ["POST", "/v1/orders"],
        ["PUT", `${path}/metadata`],
        ["PUT", `${path}/acl`],
      ] as const)
        assert.equal((await ask(method, at, { headers, body })).status, 415, `${method} ${at}`);
      for (const type of ["application/octet-stream", "text/plain"]) {
        const put = { ...headers, "content-type": type };
        const answer = await ask("PUT", path, { headers: put, body });
        assert.equal(answer.status, 415, type);
        assert.match(answer.text, /send the body uncompressed/);
      }
      assert.equal((await ask("GET", path)).json["content_types"], undefined);
      assert.equal((await ask("GET", "/v1/secrets")).json["total"], 1);
    });

  it("is 415 where a login is", async (t) => {
    const { ask } = await startBuiltinHarness(t);
    const body = gzipSync(JSON.stringify(login("secret")));
    const headers = { ...json, "content-encoding": "gzip" };
    const answer = await ask("POST", "/v3/auth/tokens", { token: null, headers, body });
    assert.equal(answer.status, 415);
    assert.match(answer.text, /"error":/);
  });

  it("is 415 as a text in a coding that nobody here knows", async (t) => {
    const { ask } = await startHarness(t);
    const made = await ask("POST", "/v1/secrets", { body: {} });
    const path = `/v1/secrets/${idOf(made.json["secret_ref"])}`;
    for (const coding of ["snappy", "bzip2", "aws-chunked", "pack200-gzip", "aes128gcm"]) {
      const headers = { "content-type": "text/plain", "content-encoding": coding };
      assert.equal((await ask("PUT", path, { headers, body: "ABC" })).status, 415, coding);
    }
    assert.equal((await ask("GET", path)).json["content_types"], undefined);
  });

  it("is another thing than base64, which a payload may be sent in", async (t) => {
    const { ask } = await startHarness(t);
    const made = await ask("POST", "/v1/secrets", { body: {} });
    const path = `/v1/secrets/${idOf(made.json["secret_ref"])}`;
    const headers = { "content-type": "application/octet-stream", "content-encoding": "base64" };
    assert.equal((await ask("PUT", path, { headers, body: "QUJD" })).status, 204);
    const identity = { ...json, "content-encoding": "identity" };
    assert.equal((await ask("POST", "/v1/secrets", { headers: identity, body: "{}" })).status, 201);
  });
});

describe("a client that waits for 100 Continue", { timeout: 20_000 }, () => {
  /** Everything that is answered to a head, and to the body if it is asked for. */
  async function answerTo(
    t: TestContext,
    { server }: Pick<Harness, "server">,
    head: string,
    body = "{}",
  ) {
    const { app } = server;
    if (!app.server.listening) await app.listen({ host: "127.0.0.1", port: 0 });
    const socket = connect((app.server.address() as AddressInfo).port, "127.0.0.1");
    t.signal.addEventListener("abort", () => socket.destroy());
    socket.write(`${head}\r\nhost: x\r\nexpect: 100-continue\r\n${jsonHeader}\r\n`);
    let said = "";
    socket.setEncoding("latin1").on("data", (more: string) => {
      const asked = !said.includes("100 Continue");
      said += more;
      if (asked && said.includes("100 Continue")) socket.write(body);
      else if (said.includes("\r\n\r\n") && !said.endsWith("100 Continue\r\n\r\n")) socket.end();
    });
    await once(socket, "close");
    return said;
  }
  const jsonHeader = "content-type: application/json\r\n";
  const token = "x-auth-token: alice/p/member";

  it("is refused without a token, or with too long a body, before it sends the body", async (t) => {
    const harness = await startHarness(t);
    for (const [head, status] of [
      ["POST /v1/secrets HTTP/1.1\r\ncontent-length: 2", 401],
      ["POST /v1/nothing HTTP/1.1\r\ncontent-length: 2", 401],
      ["POST /nothing HTTP/1.1\r\ncontent-length: 2", 404],
      ["POST /healthcheck HTTP/1.1\r\ncontent-length: 2", 405],
      [`POST /v1/secrets HTTP/1.1\r\n${token}\r\ncontent-length: 2000000`, 413],
      [`POST /v1/secrets HTTP/1.1\r\n${token}\r\ncontent-length: 25001`, 413],
      [`PUT /v1/secrets/x HTTP/1.1\r\n${token}\r\ncontent-length: 25001`, 413],
    ] as const) {
      const said = await answerTo(t, harness, head);
      assert.match(said, new RegExp(`^HTTP/1\\.1 ${status} `), head);
      // What the client sends next could be the body: Node.js must not read it as a request.
      assert.match(said, /connection: close/i, head);
    }
  });

  it("is asked for its body where it may be read, and answered", async (t) => {
    const harness = await startHarness(t);
    const said = await answerTo(
      t,
      harness,
      `POST /v1/secrets HTTP/1.1\r\n${token}\r\ncontent-length: 2`,
    );
    assert.match(said, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /);
    const missing = `PUT /v1/secrets/x HTTP/1.1\r\n${token}\r\ncontent-length: 2`;
    assert.match(await answerTo(t, harness, missing), / 404 /);
  });

  it("is asked for the body of a login, and refused one that is too long", async (t) => {
    const harness = await startBuiltinHarness(t);
    const body = JSON.stringify(login("secret"));
    const post = "POST /v3/auth/tokens HTTP/1.1\r\ncontent-length: ";
    const said = await answerTo(t, harness, `${post}${body.length}`, body);
    assert.match(said, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /);
    assert.match(await answerTo(t, harness, `${post}70000`), /^HTTP\/1\.1 413 /);
  });
});
