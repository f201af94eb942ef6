/** The parts of the platform's WebAssembly that we use; TypeScript declares it only for browsers. */
interface Platform {
  readonly WebAssembly: {
    Module: new (bytes: Uint8Array) => WasmModule;
    Instance: new (module: WasmModule) => { readonly exports: Readonly<Record<string, unknown>> };
  };
}

/** A compiled module, to be instantiated any number of times. */
export type WasmModule = object & { readonly wasmModule?: never };

/** An instance's memory, and its functions of i32 parameters. */
export interface WasmInstance {
  readonly memory: ArrayBuffer;
  readonly functions: Readonly<Record<string, (...parameters: number[]) => void>>;
}

/** @returns undefined where the runtime has no WebAssembly, or not the instructions in `bytes` */
export function compile(bytes: Uint8Array): WasmModule | undefined {
  try {
    const { WebAssembly } = globalThis as unknown as Platform;
    return new WebAssembly.Module(bytes);
  } catch {
    return undefined;
  }
}

export function instantiate(module: WasmModule): WasmInstance {
  const { WebAssembly } = globalThis as unknown as Platform;
  const { memory, ...functions } = new WebAssembly.Instance(module).exports;
  return {
    memory: (memory as { readonly buffer: ArrayBuffer }).buffer,
    functions: functions as WasmInstance["functions"],
  };
}
