import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type BarbicanLab, type PolicyMode, startBarbicanLab } from "../barbican/lab.ts";
import { openstack, runOpenstack } from "../clients/openstack.ts";
import { runTool } from "../host/run-tool.ts";

const main = fileURLToPath(new URL("../../packages/cli/dist/main.js", import.meta.url));

let lab: BarbicanLab;
let directory: string;

before(async () => {
  lab = await startBarbicanLab();
  directory = await mkdtemp(join(tmpdir(), "chatelaine-command-"));
});
after(async () => {
  await rm(directory, { recursive: true, force: true });
  await lab.stop();
});

for (const mode of ["legacy", "secure"] as const) {
  describe(`chatelaine with the real Barbican, ${mode} policy`, () => {
    it("makes a disk that cryptsetup opens with the key that openstack reads", async () => {
      const disk = join(directory, `${mode}.img`);
      const made = chatelaine(
        demo(mode),
        "volume",
        "create",
        disk,
        "--size",
        "16M",
        "--label",
        "interop",
        "--json",
      );
      const { id, keyId } = JSON.parse(made.stdout) as { id: string; keyId: string };

      const dump = runTool("cryptsetup", ["luksDump", disk]);
      assert.match(dump, /Version:\s+2/);
      assert.match(dump, new RegExp(`UUID:\\s+${id}`));
      assert.match(dump, /aes-xts-plain64/);
      assert.match(dump, /Key:\s+512 bits/);
      assert.match(dump, /0: chatelaine/);
      const token = JSON.parse(
        runTool("cryptsetup", ["token", "export", "--token-id", "0", disk]),
      ) as {
        object: string;
      };
      assert.equal(token.object, keyId);

      const reference = `http://barbican.invalid/v1/secrets/${keyId}`;
      const flags = ["--payload", "--payload_content_type", "application/octet-stream"];
      const printed = await openstack(
        demo(mode),
        "secret",
        "get",
        ...flags,
        "-f",
        "value",
        reference,
      );
      const passphrase = pythonBytes(printed).toString("hex");
      runTool("cryptsetup", ["open", "--test-passphrase", "--key-file=-", disk], {
        input: passphrase,
      });
      const wrong = ["open", "--test-passphrase", "--key-file=-", disk];
      assert.equal(spawnSync("cryptsetup", wrong, { input: "0".repeat(64) }).status, 2);

      assert.match(chatelaine(demo(mode), "volume", "verify", disk).stdout, /opens slot 0/);
      chatelaine(demo(mode), "volume", "delete", disk);
      await assert.rejects(stat(disk), { code: "ENOENT" });
      assert.notEqual((await runOpenstack(demo(mode), ["secret", "get", reference])).status, 0);
    });

    it("makes, shows, lists and deletes a key", () => {
      const id = chatelaine(
        demo(mode),
        "key",
        "create",
        "--bit-length",
        "512",
        "--name",
        `command-${mode}`,
      ).stdout.trim();
      assert.match(chatelaine(demo(mode), "key", "get", id).stdout, /mode\s+xts/);
      assert.equal(chatelaine(demo(mode), "key", "get", id, "--output", "-").bytes.length, 64);
      assert.match(
        chatelaine(demo(mode), "key", "list", "--name", `command-${mode}`).stdout,
        new RegExp(id),
      );
      chatelaine(demo(mode), "key", "delete", id);
      assert.equal(spawn(demo(mode), "key", "get", id).status, 3);
    });

    it("says with its exit code what Keystone and Barbican refuse", () => {
      const id = "00000000-0000-4000-8000-000000000000";
      assert.equal(spawn(demo(mode), "key", "get", id).status, 3);
      assert.equal(spawn({ ...demo(mode), OS_PASSWORD: "wrong" }, "key", "list").status, 4);
      const bystander = lab.environment(mode === "legacy" ? "demo-member" : "demo-observer", mode);
      assert.equal(spawn(bystander, "key", "create").status, 5);
      assert.equal(spawn({ ...demo(mode), OS_REGION_NAME: "Nowhere" }, "key", "list").status, 2);
    });
  });
}

function spawn(environment: Record<string, string>, ...words: readonly string[]) {
  return spawnSync(process.execPath, [main, ...words], {
    env: { PATH: process.env["PATH"], ...environment },
    cwd: directory,
  });
}

/** Runs the command, which must succeed. */
function chatelaine(environment: Record<string, string>, ...words: readonly string[]) {
  const { status, stdout, stderr } = spawn(environment, ...words);
  assert.equal(status, 0, stderr.toString());
  return { stdout: stdout.toString(), bytes: stdout };
}

/** The openstack command prints bytes as a Python literal. */
function pythonBytes(literal: string): Buffer {
  const read = "import ast, sys; sys.stdout.buffer.write(ast.literal_eval(sys.stdin.read()))";
  return spawnSync("/usr/bin/python3", ["-c", read], { input: literal }).stdout;
}

function demo(mode: PolicyMode): Record<string, string> {
  return lab.environment("demo", mode);
}
