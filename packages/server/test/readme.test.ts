import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { settingNames } from "../src/config/settings.ts";
import { parsePolicyFile } from "../src/policy/policy-file.ts";
import { RulePolicy } from "../src/policy/rule-policy.ts";
import { temporaryFolder } from "./support/harness.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

describe("the server's README", () => {
  it("has a program that runs", async (t) => {
    const program = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? "";
    const folder = temporaryFolder(t);
    const server = pathToFileURL(fileURLToPath(new URL("../dist/index.js", import.meta.url))).href;
    const file = join(folder, "program.mjs");
    writeFileSync(
      file,
      `const dataDirectory = ${JSON.stringify(join(folder, "data"))};\n${program.replace('"@chatelaine/server"', JSON.stringify(server))}\nexport { versions };\n`,
    );
    const { versions } = (await import(pathToFileURL(file).href)) as { versions: Response };
    assert.equal(versions.status, 300);
  });

  it("names a policy file that the server understands", () => {
    const path = /\]\((examples\/policy-2022\.yaml)\)/.exec(readme)?.[1] ?? "none";
    const overrides = parsePolicyFile(readFileSync(new URL(`../${path}`, import.meta.url), "utf8"));
    const policy = new RulePolicy({ overrides });
    const admin = { userId: "u", projectId: "p", roles: ["admin"], requestId: "r" };
    assert.equal(policy.allows("secret:get", admin, { projectId: "other" }), false);
    assert.equal(policy.allows("secret:get", admin, { projectId: "p" }), true);
  });

  it("names settings that there are", () => {
    const named = [
      ...readme.matchAll(
        /`((?:listen|identity|keystone|policy|audit|tls)\.[a-zA-Z]+)(?::[^`]*)?`/g,
      ),
    ].map(([, name]) => name ?? "");
    assert.ok(named.length > 8);
    for (const name of named)
      assert.ok(
        settingNames.some((known) => known === name),
        name,
      );
  });
});
