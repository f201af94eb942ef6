import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { RecordSize } from "../audit/segment-keeper.ts";

const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** The metrics for Prometheus. Labels are route patterns and statuses, never ids. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Histogram<"method" | "route" | "status">;
  readonly #orders: Counter<"outcome">;
  /** So that a request costs one map look-up, not the building of a label set. */
  readonly #series = new Map<string, { observe(value: number): void }>();

  /**
   * @param pendingAudit How many audit entries wait to be written.
   * @param recordSize How large the audit record is.
   */
  constructor(pendingAudit: () => number, recordSize: () => RecordSize) {
    collectDefaultMetrics({ register: this.#registry });
    this.#requests = new Histogram({
      name: "chatelaine_http_request_seconds",
      help: "Time from a request's arrival to the end of its answer.",
      labelNames: ["method", "route", "status"],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registers: [this.#registry],
    });
    this.#orders = new Counter({
      name: "chatelaine_orders_finished_total",
      help: "Orders that became ACTIVE or ERROR.",
      labelNames: ["outcome"],
      registers: [this.#registry],
    });
    const pending: Gauge = new Gauge({
      name: "chatelaine_audit_pending",
      help: "Audit entries not yet on the disk.",
      registers: [],
      collect: () => pending.set(pendingAudit()),
    });
    this.#registry.registerMetric(pending);
    const entries: Gauge = new Gauge({
      name: "chatelaine_audit_entries",
      help: "Entries of the audit record in the database, looked at every five minutes.",
      registers: [],
      collect: () => entries.set(recordSize().entries),
    });
    this.#registry.registerMetric(entries);
    const segments: Gauge<"state"> = new Gauge({
      name: "chatelaine_audit_segments",
      help: "Sealed segments of the audit record in the database, looked at every five minutes.",
      labelNames: ["state"],
      registers: [],
      collect: () => {
        const { sealed, exported } = recordSize();
        segments.set({ state: "sealed" }, sealed);
        segments.set({ state: "exported" }, exported);
      },
    });
    this.#registry.registerMetric(segments);
  }

  request(verb: string, route: string, status: number, seconds: number): void {
    // HTTP knows three dozen, and each would be a series for each route.
    const method = methods.has(verb) ? verb : "other";
    const name = `${method} ${route} ${status}`;
    let series = this.#series.get(name);
    if (!series) {
      series = this.#requests.labels(method, route, String(status));
      this.#series.set(name, series);
    }
    series.observe(seconds);
  }

  order(outcome: "ACTIVE" | "ERROR"): void {
    this.#orders.inc({ outcome });
  }

  /** In Prometheus' text format. */
  async text(): Promise<{ readonly contentType: string; readonly text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }
}
