import { Worker } from "node:worker_threads";
import type { BlockDevice } from "../device/device.ts";
import { LuksError } from "../errors.ts";
import { Transfer, type TransferSpec } from "./transfer.ts";
import type { WorkerRange, WorkerReport, WorkerStart } from "./transfer-worker.ts";

/** Moves ranges of data, on this thread or on several. */
export interface DataMover {
  /** As `Transfer.move`. */
  move(
    start: number,
    end: number,
    onBytes: (bytes: number) => void,
    signal?: AbortSignal,
  ): Promise<void>;
  close(): Promise<void>;
}

/**
 * @param threads 1 works on the calling thread; more need devices with file descriptors, and fall back to it without
 */
export function openDataMover(
  spec: TransferSpec,
  source: BlockDevice,
  target: BlockDevice,
  threads: number,
): DataMover {
  if (threads < 2 || source.fd === undefined || target.fd === undefined) {
    const transfer = new Transfer(spec, source, target);
    return {
      move: (start, end, onBytes, signal) => transfer.move(start, end, onBytes, signal),
      close: () => Promise.resolve(),
    };
  }
  const start: WorkerStart = {
    spec,
    source: { fd: source.fd, name: source.name },
    target: { fd: target.fd, name: target.name },
  };
  return new ThreadedDataMover(start, threads);
}

/** The threads' shares of a range begin at multiples of so many bytes. */
const shareBytes = 1024 * 1024;
/** A thread needs little memory in addition to its chunk; the defaults would let it grow to megabytes. */
const threadLimits = { maxYoungGenerationSizeMb: 1, stackSizeMb: 1 };

class ThreadedDataMover implements DataMover {
  readonly #workers: readonly Worker[];

  constructor(start: WorkerStart, threads: number) {
    // In the source tree this file ends in .ts, in the package in .js, and so does the worker's.
    const file = new URL(`./transfer-worker${import.meta.url.slice(-3)}`, import.meta.url);
    const options = { workerData: start, resourceLimits: threadLimits };
    this.#workers = Array.from({ length: threads }, () => new Worker(file, options));
  }

  async move(
    start: number,
    end: number,
    onBytes: (bytes: number) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    if (signal?.aborted) throw new LuksError("aborted", "move data: aborted");
    const share = Math.ceil((end - start) / this.#workers.length / shareBytes) * shareBytes;
    const outcomes = await Promise.allSettled(
      this.#workers.map((worker, index) => {
        const from = Math.min(end, start + index * share);
        const to = Math.min(end, from + share);
        return from < to ? moveOn(worker, { start: from, end: to }, onBytes) : Promise.resolve();
      }),
    );
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

function moveOn(
  worker: Worker,
  range: WorkerRange,
  onBytes: (bytes: number) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown) => {
      worker.off("message", onMessage);
      worker.off("error", settle);
      if (error === undefined) resolve();
      else
        reject(error instanceof Error ? error : new LuksError("io", "move data: a thread failed"));
    };
    const onMessage = (report: WorkerReport) => {
      if (report.type === "bytes") onBytes(report.bytes);
      else if (report.type === "done") settle();
      else settle(new LuksError(report.code, report.message));
    };
    worker.on("message", onMessage);
    worker.on("error", settle);
    worker.postMessage(range);
  });
}
