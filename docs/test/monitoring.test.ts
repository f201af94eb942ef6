import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { openKeyManager, settingsFromEnvironment } from "@chatelaine/keys";
import { loadServerConfig, type RunningServer, startServer } from "@chatelaine/server";
import { parse } from "yaml";
import { root } from "./document.ts";

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly targets: readonly { readonly refId: string; readonly expr: string }[];
}

interface Dashboard {
  readonly title: string;
  readonly uid: string;
  readonly schemaVersion: number;
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly query: string }[];
  };
  readonly panels: readonly Panel[];
}

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}

let directory: string;
let server: RunningServer;
/** The labels that each series of a server has that has served a secret, an order and a refusal. */
const labelsOf = new Map<string, Set<string>>();
/** Added by Prometheus to what it scrapes. */
const scraped = ["job", "instance"];

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "chatelaine-monitoring-"));
  const log = join(directory, "server.log");
  const flags = { "--data-directory": directory, "--listen-port": "0", "--log-file": log };
  server = await startServer(loadServerConfig({ environment: {}, flags }));
  const { caller, ...barbican } = settingsFromEnvironment({
    OS_CLIENT_CONFIG_FILE: join(directory, "clouds.yaml"),
    OS_CLOUD: "chatelaine",
  });
  await openKeyManager({ barbican }).createKeyPair(caller, { algorithm: "rsa", bitLength: 2048 });
  const text = await (await fetch(`${server.url}/metrics`)).text();
  for (const [, name = "", labels = ""] of text.matchAll(/^([a-z][\w]*)(?:\{(.*)\})? \S+$/gm)) {
    const known = labelsOf.get(name) ?? new Set(scraped);
    for (const [, label = ""] of labels.matchAll(/(\w+)="/g)) known.add(label);
    labelsOf.set(name, known);
  }
});
after(async () => {
  await server.close();
  await rm(directory, { recursive: true });
});

/** Whatever a PromQL expression names must be a series of the server, with these labels. */
function assertKnown(expression: string): void {
  const bare = expression.replaceAll(/"[^"]*"/g, '""');
  const series = [...bare.matchAll(/\b([a-z]+_\w+|up)\b(?:\{([^}]*)\})?/g)].filter(
    ([, name = ""]) => !functions.has(name),
  );
  assert.ok(series.length > 0, expression);
  for (const [, name = "", selectors = ""] of series) {
    const labels = name === "up" ? new Set(scraped) : labelsOf.get(name);
    assert.ok(labels, `${expression}: the server has no ${name}`);
    for (const [, label = ""] of selectors.matchAll(/(\w+)\s*(?:=|!)/g))
      assert.ok(labels.has(label), `${expression}: ${name} has no label ${label}`);
  }
  const known = new Set(series.flatMap(([, name = ""]) => [...(labelsOf.get(name) ?? scraped)]));
  for (const [, list = ""] of bare.matchAll(/\bby \(([^)]*)\)/g))
    for (const label of list.split(",").map((each) => each.trim()))
      assert.ok(known.has(label), `${expression}: there is no label ${label}`);
}

const functions = new Set(["histogram_quantile", "label_values"]);

describe("deploy/grafana-dashboard.json", async () => {
  const text = await readFile(join(root, "deploy/grafana-dashboard.json"), "utf8");
  const dashboard = JSON.parse(text) as Dashboard;

  it("shows series that the server has, and all of its own", () => {
    for (const { expr } of dashboard.panels.flatMap(({ targets }) => targets)) assertKnown(expr);
    for (const { name, query } of dashboard.templating.list)
      if (name !== "datasource") assertKnown(query.replace(/, \w+\)$/, ")"));
    for (const name of ["http_request_seconds_bucket", "orders_finished_total", "audit_pending"])
      assert.ok(text.includes(`chatelaine_${name}`), name);
  });

  it("is whole: panels with an id, a place of their own, and only variables that it defines", () => {
    const { title, uid, schemaVersion, panels, templating } = dashboard;
    assert.ok(title !== "" && uid !== "" && schemaVersion >= 36);
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    const taken = new Set<string>();
    for (const { gridPos, targets, title: name } of panels) {
      assert.ok(gridPos.x + gridPos.w <= 24, name);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.ok(!taken.has(`${x} ${y}`), `${name} lies over another`);
          taken.add(`${x} ${y}`);
        }
      assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, name);
    }
    const defined = new Set(["__rate_interval", ...templating.list.map(({ name }) => name)]);
    for (const [, name = ""] of text.matchAll(/\$\{?(\w+)/g)) assert.ok(defined.has(name), name);
  });
});

describe("deploy/prometheus-rules.yaml", async () => {
  const text = await readFile(join(root, "deploy/prometheus-rules.yaml"), "utf8");
  const rules = (parse(text) as Rules).groups.flatMap((group) => group.rules);

  it("asks for series that the server has", () => {
    for (const { expr } of rules) assertKnown(expr);
    assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  });
});
