import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { FakeCloud } from "./fake/cloud.ts";

interface Block {
  /** As its fence names it, or undefined. */
  readonly file: string | undefined;
  readonly code: string;
}

const packageDirectory = join(import.meta.dirname, "..");
const readme = readFileSync(join(packageDirectory, "README.md"), "utf8");
const blocks: readonly Block[] = [...readme.matchAll(/^```ts ?(\S*)\n(.*?)^```$/gms)].map(
  ([, file, code]) => ({ file: file || undefined, code: code ?? "" }),
);
const run = promisify(execFile);

/** Runs with this very Node.js; types are stripped, as everywhere in the tests. */
async function node(directory: string, args: readonly string[], env: Record<string, string> = {}) {
  return run(process.execPath, [...stripTypes, ...args], {
    cwd: directory,
    env: { PATH: process.env["PATH"], ...env },
  });
}
const stripTypes = process.execArgv.filter((argument) => argument.includes("strip-types"));

describe("the README's code", () => {
  let directory: string;
  let cloud: FakeCloud;

  before(async () => {
    cloud = await FakeCloud.start();
    // Inside the package, so that it finds the package by its name.
    mkdirSync(join(packageDirectory, "dist"), { recursive: true });
    directory = mkdtempSync(join(packageDirectory, "dist", "readme-"));
    writeFileSync(join(directory, "package.json"), JSON.stringify({ type: "module" }));
    mkdirSync(join(directory, "node_modules", "@chatelaine"), { recursive: true });
    symlinkSync(packageDirectory, join(directory, "node_modules", "@chatelaine", "keys"));
    for (const [n, { file, code }] of blocks.entries()) {
      const path = join(directory, file ?? `block-${n}.ts`);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, code);
    }
  });
  after(async () => {
    rmSync(directory, { recursive: true });
    await cloud.stop();
  });

  it("is there", () => {
    assert.deepEqual(
      blocks.map(({ file }) => file),
      [
        undefined,
        undefined,
        undefined,
        "my-backend/key-manager.ts",
        "my-backend/key-manager.test.ts",
      ],
    );
  });

  it("compiles under strict options", async () => {
    const options = {
      extends: join(packageDirectory, "..", "..", "tsconfig.base.json"),
      compilerOptions: {
        noEmit: true,
        composite: false,
        rewriteRelativeImportExtensions: false,
        allowImportingTsExtensions: true,
        typeRoots: [join(packageDirectory, "..", "..", "node_modules", "@types")],
      },
      include: ["."],
    };
    writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(options));
    const compiler = join(packageDirectory, "..", "..", "node_modules", "typescript", "bin", "tsc");
    const compiled = await run(process.execPath, [compiler, "-p", directory]).catch(
      (error: { readonly stdout: string }) => error,
    );
    assert.equal(compiled.stdout, "");
  });

  for (const [n, { file, code }] of blocks.entries()) {
    if (file !== undefined) continue;
    it(`does what its comments say: block ${n + 1}`, async () => {
      const { stdout } = await node(directory, [`block-${n}.ts`], {
        OS_AUTH_URL: cloud.authUrl,
        OS_USERNAME: "alice",
        OS_PASSWORD: "alice's password",
        OS_PROJECT_NAME: "a",
      });
      const said = [...code.matchAll(/console\.log\(.*\/\/ (.*)$/gm)].map(([, text]) => text);
      assert.deepEqual(stdout.split("\n").filter(Boolean), said);
      assert.deepEqual(cloud.barbican.contents, { secrets: 0, orders: 0, containers: 0 });
    });
  }

  it("is a backend that keeps the key manager's promises", async () => {
    const { stdout } = await node(directory, ["--test", "my-backend/key-manager.test.ts"]);
    assert.match(stdout, /my backend keeps the key manager's promises/);
    const passed = /(?:ℹ|#) pass (\d+)/.exec(stdout)?.[1];
    assert.ok(Number(passed) >= 30, stdout.slice(-500));
    assert.match(stdout, /(?:ℹ|#) fail 0/);
  });
});
