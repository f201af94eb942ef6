import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { runTool } from "../host/run-tool.ts";
import { waitFor } from "../host/wait-for.ts";
import { KeyServerProcess, ServerFolder } from "../server/key-server.ts";
import { makeTenants } from "../server/tenants.ts";

describe("a disk that is full", () => {
  it("is 503 with Retry-After, loses nothing that was acknowledged, and is used again when there is room", async () => {
    const folder = new ServerFolder();
    runTool("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", folder.path]);
    let server = await KeyServerProcess.start(folder);
    try {
      const { alice } = await makeTenants(server.url, folder.adminPassword(), ["alice"]);
      const token = await alice.token();
      const acknowledged = new Map<string, Buffer>();
      const ask = (method: string, path: string, body?: object) =>
        fetch(`${server.url}${path}`, {
          method,
          headers: { "x-auth-token": token, "content-type": "application/json" },
          ...(body && { body: JSON.stringify(body) }),
        });
      const store = async () => {
        const payload = randomBytes(12_000);
        const answer = await ask("POST", "/v1/secrets", {
          payload: payload.toString("base64"),
          payload_content_type: "application/octet-stream",
          payload_content_encoding: "base64",
        });
        const { secret_ref } = (await answer.json()) as { readonly secret_ref?: string };
        if (answer.status === 201) acknowledged.set(new URL(secret_ref ?? "").pathname, payload);
        else assert.deepEqual([answer.status, answer.headers.get("retry-after")], [503, "1"]);
        return answer.status;
      };
      const readAll = async (statuses: readonly number[] = [200]) => {
        for (const [path, payload] of acknowledged) {
          const answer = await ask("GET", `${path}/payload`);
          const bytes = Buffer.from(await answer.arrayBuffer());
          assert.ok(statuses.includes(answer.status), `${path}: ${answer.status}`);
          if (answer.status === 200) assert.deepEqual(bytes, payload);
        }
        const { total } = (await (await ask("GET", "/v1/secrets")).json()) as { total: number };
        assert.equal(total, acknowledged.size);
      };
      const writers = Array.from({ length: 8 }, async () => {
        for (let refused = 0; refused < 3; ) if ((await store()) === 503) refused += 1;
      });
      await Promise.all(writers);
      assert.ok(acknowledged.size > 10, `${acknowledged.size} were stored before it was full`);
      // A payload does not leave while the audit record cannot be written.
      await readAll([200, 503]);

      runTool("mount", ["-o", "remount,size=64m", folder.path]);
      await waitFor("a write", 10, async () => (await store()) === 201 || undefined);
      await readAll();
      await server.kill();
      server = await KeyServerProcess.start(folder);
      await readAll();
    } finally {
      await server.kill();
      runTool("umount", [folder.path]);
      folder.remove();
    }
  });
});
