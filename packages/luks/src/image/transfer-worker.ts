/** The body of a worker thread of `data-mover.ts`: moves the ranges that it is sent. */
import { parentPort, workerData } from "node:worker_threads";
import { FdDevice } from "../device/fd-device.ts";
import { LuksError } from "../errors.ts";
import { synchronousShape, Transfer, type TransferSpec } from "./transfer.ts";

/** A file that the other thread keeps open, and its name for messages. */
export interface OpenFd {
  readonly fd: number;
  readonly name: string;
}

/** What the thread is started with. */
export interface WorkerStart {
  readonly spec: TransferSpec;
  readonly source: OpenFd;
  readonly target: OpenFd;
}

/** A message to the worker. */
export interface WorkerRange {
  readonly start: number;
  readonly end: number;
}

/** What it says: bytes moved since it last did, or how the range ended. */
export type WorkerReport =
  | { readonly type: "bytes"; readonly bytes: number }
  | { readonly type: "done" }
  | { readonly type: "failed"; readonly code: LuksError["code"]; readonly message: string };

const { spec, ...files } = workerData as WorkerStart;
const source = new FdDevice(files.source.fd, files.source.name);
const target = new FdDevice(files.target.fd, files.target.name);
const transfer = new Transfer(spec, source, target, synchronousShape);
spec.source?.key.fill(0);
spec.target?.key.fill(0);

const report = (message: WorkerReport) => parentPort?.postMessage(message);

parentPort?.on("message", ({ start, end }: WorkerRange) => {
  transfer
    .move(start, end, (bytes) => report({ type: "bytes", bytes }))
    .then(
      () => report({ type: "done" }),
      (error: Error) => {
        const code = error instanceof LuksError ? error.code : "io";
        report({ type: "failed", code, message: error.message });
      },
    );
});
