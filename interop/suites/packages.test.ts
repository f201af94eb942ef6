import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { loadServerConfig } from "@chatelaine/server";
import { parseAllDocuments } from "yaml";

const root = fileURLToPath(new URL("../..", import.meta.url));
const bin = join(root, "node_modules/.bin");
/** Not the workspace's dependencies: the first brings a TypeScript of its own, and both a lot besides. */
const tools = { attw: "@arethetypeswrong/cli@0.18.5", kubernetes: "kubernetes-models@4.5.1" };
const names = ["keys", "luks", "volumes", "server", "cli"];

let directory: string;
/** With the packages installed from their tarballs, as anybody would. */
let project: string;
let tarballs: readonly string[];

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "chatelaine-packages-"));
  const packed = join(directory, "packed");
  project = join(directory, "project");
  await mkdir(project);
  // As the Dockerfile does it, so that its commands are tried.
  const build = (await dockerfile()).find(
    ([name, rest]) => name === "RUN" && rest.includes("pack"),
  );
  const pack =
    build?.[1].replace("npm run build && ", "").replaceAll("/packages", packed) ?? "false";
  execFileSync("sh", ["-ec", pack], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  tarballs = (await readdir(packed)).map((name) => join(packed, name));
  await writeFile(join(project, "package.json"), '{ "private": true, "type": "module" }');
  npm(project, "install", "--no-audit", "--no-fund", ...tarballs);
});
after(() => rm(directory, { recursive: true, force: true }));

function npm(cwd: string, ...words: readonly string[]): string {
  return execFileSync("npm", words, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

function run(file: string, ...words: readonly string[]) {
  return spawnSync(file, words, { cwd: project, encoding: "utf8" });
}

/** The folder that a tool is installed in. */
function folderOf(tool: string): string {
  const folder = join(directory, "tools", tool.replaceAll(/\W/g, "-"));
  npm(directory, "install", "--no-audit", "--no-fund", "--prefix", folder, tool);
  return folder;
}

describe("the packages' tarballs", () => {
  for (const name of names) {
    it(`are as npm and bundlers want them: ${name}`, () => {
      const { status, stdout, stderr } = run(
        join(bin, "publint"),
        "--strict",
        join(root, "packages", name),
      );
      assert.equal(status, 0, stdout + stderr);
    });
  }

  it("hold what is needed and nothing else", () => {
    assert.equal(tarballs.length, names.length);
    for (const tarball of tarballs) {
      const files = execFileSync("tar", ["-tzf", tarball], { encoding: "utf8" }).split("\n");
      for (const needed of ["package/LICENSE", "package/README.md", "package/package.json"])
        assert.ok(files.includes(needed), `${tarball}: ${needed}`);
      assert.deepEqual(
        files.filter((file) => /tsbuildinfo|\/test\/|node_modules/.test(file)),
        [],
      );
    }
  });

  it("bring only what each needs", async () => {
    const alone = join(directory, "alone");
    await mkdir(alone);
    await writeFile(join(alone, "package.json"), '{ "private": true }');
    const luks = tarballs.filter((path) => /chatelaine-luks-/.test(path));
    npm(alone, "install", "--no-audit", "--no-fund", ...luks);
    const [installed, scoped] = [
      await readdir(join(alone, "node_modules")),
      await readdir(join(alone, "node_modules/@chatelaine")),
    ];
    const visible = installed.filter((name) => !name.startsWith("."));
    assert.deepEqual(visible.toSorted(), ["@chatelaine", "hash-wasm"]);
    assert.deepEqual(scoped, ["luks"]);
  });

  it("work from JavaScript", () => {
    const program = `
      import { MemoryKeyManager } from "@chatelaine/keys";
      import { createVolume, openLedger, verifyVolume } from "@chatelaine/volumes";
      import { readLuks } from "@chatelaine/luks";
      const ledger = openLedger({ path: "ledger.sqlite" });
      const caller = { type: "project", projectId: "p", userId: "u" };
      const context = { keyManager: new MemoryKeyManager({ warn() {} }), caller, ledger };
      await createVolume(context, { path: "disk.img", sizeBytes: 1 << 20 });
      const { openedSlot } = await verifyVolume(context, "disk.img");
      await ledger.close();
      console.log(openedSlot, (await readLuks("disk.img")).version);`;
    const { status, stdout, stderr } = run(join(bin, "node"), "--input-type=module", "-e", program);
    assert.deepEqual([status, stdout], [0, "0 2\n"], stderr);
  });

  for (const resolution of ["nodenext", "bundler"])
    it(`have types that hold, and refuse what is wrong: ${resolution}`, async () => {
      const types = ["@types/node", "undici-types"];
      for (const name of types)
        await cp(join(root, "node_modules", name), join(project, "node_modules", name), {
          recursive: true,
        });
      await cp(join(root, "interop/packages/consumer.ts"), join(project, "consumer.ts"));
      const module = resolution === "bundler" ? "esnext" : resolution;
      const options = ["--noEmit", "--module", module, "--moduleResolution", resolution];
      options.push("--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess");
      const lib = ["--target", "es2024", "--lib", "es2024,esnext.array", "--types", "node"];
      const { status, stdout } = run(join(bin, "tsc"), ...options, ...lib, "consumer.ts");
      assert.equal(status, 0, stdout);
    });

  it("have types that are found wherever modules are looked for", () => {
    const program = join(folderOf(tools.attw), "node_modules/.bin/attw");
    for (const tarball of tarballs) {
      const { status, stdout, stderr } = run(program, "--profile", "esm-only", tarball);
      assert.equal(status, 0, stdout + stderr);
    }
  });

  it("bring a command that works", () => {
    const data = join(directory, "start");
    const command = "node_modules/chatelaine/bin/chatelaine.js";
    const words = ["start", "--once", "--data-directory", data, "--port", "0"];
    const { status, stdout, stderr } = run(join(bin, "node"), command, ...words);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /6\. The audit record/);
  });

  it("bring a command that fish completes", () => {
    const ask = "complete --do-complete 'chatelaine luks slots ki'";
    const { stdout, stderr } = run("fish", "-c", `${completionIn("fish")} | source; ${ask}`);
    assert.equal(stdout, "kill\tErase a key slot, but never the last one\n", stderr);
  });

  it("bring a command that zsh completes", () => {
    // As its bashcompinit calls such a function; the words that begin otherwise zsh leaves out itself.
    const ask = `asked() {
        emulate -L sh; setopt kshglob noshglob braceexpand
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _chatelaine; echo "\${COMPREPLY[@]}"
      }
      echo $_comps[chatelaine]; asked chatelaine luks slots ki`;
    const script = `autoload -Uz compinit && compinit -D; source <(${completionIn("zsh")}); ${ask}`;
    const { stdout, stderr } = run("zsh", "-f", "-c", script);
    assert.match(stdout, /-F _chatelaine\n.*\bkill\b/, stderr);
  });
});

/** The command that prints the script for a shell. */
function completionIn(shell: string): string {
  return `${join(bin, "node")} node_modules/chatelaine/bin/chatelaine.js completion ${shell}`;
}

describe("the Dockerfile", () => {
  it("is not root's, and says how it is healthy", async () => {
    const steps = await dockerfile();
    const last = (word: string) => steps.findLast(([name]) => name === word)?.[1];
    assert.match(last("USER") ?? "", /^[1-9]\d*$/);
    assert.equal(last("VOLUME"), "/var/lib/chatelaine");
    for (const [name, rest] of steps)
      if (name === "FROM") assert.match(rest, /bookworm/, "Debian-based");
  });

  it("installs, starts and is healthy by its own commands, not as root and with nothing to write to but its volume", async (t) => {
    const steps = await dockerfile();
    const json = (word: string) =>
      JSON.parse(
        steps.findLast(([name]) => name === word)?.[1].replace(/^.*CMD /, "") ?? "[]",
      ) as string[];
    const install =
      steps.find(([name, rest]) => name === "RUN" && rest.includes("--global"))?.[1] ?? "";
    const prefix = join(directory, "container");
    const command = install
      .replace(/^--mount=\S+ +/, "")
      .replace("--global", `--global --prefix ${prefix}`)
      .replace("/packages/*.tgz", tarballs.join(" "));
    execFileSync("sh", ["-ec", command], { stdio: ["ignore", "pipe", "pipe"] });
    const [entry = "", ...words] = [...json("ENTRYPOINT"), ...json("CMD")];
    assert.ok(existsSync(join(prefix, "bin", entry)));
    await cp(join(root, "node_modules/node/bin/node"), join(prefix, "bin/node"));
    // Whom the container runs as may see where this is.
    await chmod(directory, 0o755);
    const data = join(directory, "container-data");
    await mkdir(data);
    const port = "19411";
    const environment = Object.fromEntries(
      steps
        .filter(([name]) => name === "ENV")
        .map(([, rest]) => rest.split("=") as [string, string]),
    );
    const PATH = `${prefix}/bin:${process.env["PATH"] ?? ""}`;
    // What `docker run --read-only --tmpfs /tmp --cap-drop ALL` and the volume make of the file systems and the user.
    const user = steps.findLast(([name]) => name === "USER")?.[1] ?? "";
    const confined = `mount --make-rprivate /
      for place in $(findmnt --noheadings --list --types nosysfs,noproc --output TARGET); do
        mount --options remount,bind,ro "$place" 2>/dev/null || true
      done
      mount --types tmpfs --options mode=0700,uid=${user} tmpfs ${data}
      exec setpriv --reuid ${user} --regid ${user} --clear-groups --no-new-privs --bounding-set=-all -- "$@"`;
    const flags = ["--data-directory", data, "--listen-port", port];
    const line = ["sh", "-c", confined, "sh", join(prefix, "bin", entry), ...words, ...flags];
    const server = spawn("unshare", ["--mount", ...line], {
      env: { ...environment, PATH },
      stdio: ["ignore", "ignore", "pipe"],
    });
    t.after(() => server.kill("SIGKILL"));
    await listening(server);
    assert.deepEqual(await readdir(data), [], "its data is in the volume, and nowhere else");
    const [health = "", ...check] = json("HEALTHCHECK").map((word) =>
      word.replace(":9311/", `:${port}/`),
    );
    assert.equal(spawnSync(health, check, { env: { PATH } }).status, 0);
    server.kill("SIGTERM");
    await new Promise((resolve) => server.once("exit", resolve));
    assert.equal(spawnSync(health, check, { env: { PATH } }).status, 1);
  });
});

describe("what else runs the server", () => {
  it("the systemd units are valid, and the server's is hardened", () => {
    const folder = join(root, "packages/cli/systemd");
    const units = ["chatelaine-server.service", "chatelaine-disks.service"];
    const verified = run("systemd-analyze", "verify", ...units.map((unit) => join(folder, unit)));
    assert.deepEqual([verified.status, verified.stderr], [0, ""]);
    const server = join(folder, units[0] ?? "");
    const { status, stdout } = run(
      "systemd-analyze",
      "security",
      "--offline=true",
      "--threshold=20",
      server,
    );
    assert.equal(status, 0, stdout);
  });

  it("the Kubernetes manifest has only what Kubernetes knows", async () => {
    const text = await readFile(join(root, "deploy/kubernetes.yaml"), "utf8");
    const [deployment, service] = parseAllDocuments(text).map((each) => JSON.stringify(each));
    const folder = folderOf(tools.kubernetes);
    const check = (service_: string | undefined) => {
      const program = `import type { IDeployment } from "kubernetes-models/apps/v1/Deployment";
        import type { IService } from "kubernetes-models/v1/Service";
        export const deployment: IDeployment = ${deployment};
        export const service: IService = ${service_};`;
      writeFileSync(join(folder, "manifest.ts"), program);
      const options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext"];
      const { status, stdout } = spawnSync(join(bin, "tsc"), [...options, "manifest.ts"], {
        cwd: folder,
        encoding: "utf8",
      });
      return { status, stdout };
    };
    const { status, stdout } = check(service);
    assert.equal(status, 0, stdout);
    // Literals are refused for what they have too much, or this would show nothing.
    assert.match(check(service?.replace('"port"', '"ports"')).stdout, /ports"?' does not exist/);
  });

  it("the Kubernetes manifest sets what the server knows, and probes what it serves", async () => {
    const text = await readFile(join(root, "deploy/kubernetes.yaml"), "utf8");
    const [deployment, service] = parseAllDocuments(text).map((each) => each.toJS() as Manifest);
    assert.equal(deployment?.kind, "Deployment");
    assert.equal(service?.kind, "Service");
    const [container] = deployment?.spec.template?.spec.containers ?? [];
    assert.ok(container);
    const base64 = Buffer.alloc(32).toString("base64");
    const environment = Object.fromEntries(
      container.env.map(({ name, value }) => [
        name,
        value ?? (/ROOT_KEY/.test(name) ? base64 : "postgres://x/y"),
      ]),
    );
    // Throws if it does not know one of them, or if they do not go together.
    assert.equal(
      loadServerConfig({ environment }).integer("listen.port"),
      container.ports[0]?.containerPort,
    );
    assert.equal(container.readinessProbe.httpGet.path, "/readiness");
    assert.equal(container.livenessProbe.httpGet.path, "/healthcheck");
  });
});

/** Its instructions, each with what follows the word. */
async function dockerfile(): Promise<readonly (readonly [string, string])[]> {
  const text = (await readFile(join(root, "deploy/Dockerfile"), "utf8")).replaceAll("\\\n", " ");
  const lines = text.split("\n").filter((line) => /^[A-Z]+ /.test(line));
  return lines.map((line) => line.split(/ (.*)/s) as [string, string]);
}

interface Manifest {
  readonly kind: string;
  readonly spec: {
    readonly template?: { readonly spec: { readonly containers: readonly Container[] } };
  };
}

interface Container {
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly ports: readonly { readonly containerPort: number }[];
  readonly readinessProbe: Probe;
  readonly livenessProbe: Probe;
}

interface Probe {
  readonly httpGet: { readonly path: string };
}

/** Resolves when it says that it listens. */
async function listening(server: ChildProcess): Promise<void> {
  let said = "";
  for await (const chunk of server.stderr ?? []) {
    said += String(chunk);
    if (/listens on/.test(said)) return;
  }
  assert.fail(said);
}
