import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type ObjectId, SecretBytes } from "@chatelaine/keys";
import { Session } from "./session.ts";

describe("chatelaine key", () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-cli-"));
  });
  after(() => rm(directory, { recursive: true }));

  it("prints the id of the key it created, and nothing else", async () => {
    const session = new Session();
    const { code, out, error } = await session.run("key", "create", "--name", "mine");
    assert.deepEqual([code, error], [0, ""]);
    const info = await session.keyManager.describe(session.caller, out.trim() as ObjectId);
    assert.deepEqual([info.name, info.algorithm, info.bitLength], ["mine", "aes", 256]);
  });

  it("shows no byte of a key unless told where to write it", async () => {
    const session = new Session();
    const id = (await session.run("key", "create", "--bit-length", "512")).out.trim();
    const { value } = await session.keyManager.get(session.caller, id as ObjectId);
    for (const flags of [[], ["--json"]]) {
      const { code, out } = await session.run("key", "get", id, ...flags);
      assert.equal(code, 0);
      assert.match(out, /xts/);
      for (const encoding of ["hex", "base64", "latin1"] as const) {
        assert.ok(!out.includes(value.use((bytes) => Buffer.from(bytes).toString(encoding))));
      }
    }
  });

  it("writes a key's bytes to standard output, or to a new file that only its owner may read", async () => {
    const session = new Session();
    const id = (await session.run("key", "create")).out.trim();
    const { value } = await session.keyManager.get(session.caller, id as ObjectId);
    const piped = await session.run("key", "get", id, "--output", "-");
    assert.ok(new SecretBytes(piped.outBytes).equals(value));
    const path = join(directory, "key.bin");
    assert.deepEqual(
      await session.run("key", "get", id, "--output", path).then(({ code, out }) => [code, out]),
      [0, ""],
    );
    assert.ok(new SecretBytes(await readFile(path)).equals(value));
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  });

  it("never overwrites a file with a key", async () => {
    const session = new Session();
    const id = (await session.run("key", "create")).out.trim();
    const path = join(directory, "taken");
    await writeFile(path, "precious");
    const { code, error } = await session.run("key", "get", id, "--output", path);
    assert.equal(code, 6);
    assert.match(error, /exists already, and is not overwritten/);
    assert.equal(await readFile(path, "utf8"), "precious");
  });

  it("lists objects as a table that fits the terminal, and as JSON", async () => {
    const session = new Session({ columns: 80, environment: { NO_COLOR: "1" } });
    const name = "a name that is much longer than the room there is for it, so that it is cut";
    await session.run("key", "create", "--name", name);
    const { out } = await session.run("key", "list");
    const lines = out.trimEnd().split("\n");
    assert.match(lines[0] ?? "", /^id\s+name\s+type\s+algorithm\s+created$/);
    assert.ok(
      lines.every((line) => line.length <= 80),
      out,
    );
    assert.match(out, /…/);
    const listed = JSON.parse((await session.run("key", "list", "--json")).out) as {
      name: string;
    }[];
    assert.deepEqual(
      listed.map((info) => info.name),
      [name],
    );
  });

  it("lets no escape sequence of a name reach the terminal", async () => {
    const session = new Session();
    await session.run("key", "create", "--name", "\u001b[31mred\u001b[0m\nnext line");
    const { out } = await session.run("key", "list");
    assert.ok(!out.includes("\u001b"));
    assert.equal(out.trimEnd().split("\n").length, 2);
  });

  it("deletes a key, but not one that a consumer needs unless forced", async () => {
    const session = new Session();
    const id = (await session.run("key", "create")).out.trim();
    const consumer = { service: "volume", resourceType: "volume", resourceId: "v" };
    await session.keyManager.addConsumer(session.caller, id as ObjectId, consumer);
    const refused = await session.run("key", "delete", id);
    assert.equal(refused.code, 6);
    assert.match(refused.error, /consumers still need it/);
    assert.equal((await session.run("key", "delete", id, "--force")).code, 0);
    assert.equal((await session.run("key", "get", id)).code, 3);
  });

  for (const [wrong, message] of [
    [["key", "get", "nonsense"], /not a lower-case UUID/],
    [["key", "create", "--bit-length", "many"], /give a number of bits/],
    [["key", "create", "--expires", "tomorrow"], /give a time such as/],
    [["key", "list", "--type", "symetric"], /did you mean "symmetric"/],
    [["key", "list", "--nam", "x"], /Did you mean --name/],
    [["ky", "list"], /Did you mean key/],
    [["key", "get"], /missing required argument/],
  ] as const) {
    it(`says what is wrong with: chatelaine ${wrong.join(" ")}`, async () => {
      const { code, out, error } = await new Session().run(...wrong);
      assert.equal(code, 2);
      assert.equal(out, "");
      assert.match(error, message);
      assert.match(error, /^chatelaine: /);
    });
  }
});
