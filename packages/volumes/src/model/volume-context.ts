import type { Caller } from "@chatelaine/keys/interface";
import type { Ledger } from "./ledger.ts";
import type { KeySource } from "./volume.ts";

/** Told before a step is taken or taken back, and after. */
export interface StepEvent {
  readonly operationId: string;
  readonly operation: string;
  readonly volumeId: string;
  readonly step: string;
  readonly moment: "taking" | "taken" | "undoing" | "undone";
}

/** How far long work on a disk's data is. */
export interface VolumeProgress {
  readonly volumeId: string;
  /** Such as `reencrypt`. */
  readonly operation: string;
  readonly location: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** What every operation that changes something needs. */
export interface VolumeContext extends KeySource {
  readonly ledger: Ledger;
  /**
   * Labels whose volumes these are. An operation is recovered only under the label
   * it was begun with: in another project its keys could not be found. Default: what
   * the caller's credentials say of their project.
   */
  readonly project?: string | undefined;
  /** Credentials for another project, by its label: for transfers, and to recover what was begun there. */
  readonly callerOf?: ((project: string) => Caller | undefined) | undefined;
  /** For progress. What it throws fails the operation. */
  readonly onStep?: ((event: StepEvent) => void) | undefined;
  /** For progress of long work, in `recover` too. Called often; what it throws fails the operation. */
  readonly onProgress?: ((progress: VolumeProgress) => void) | undefined;
  /** Default: the system's clock. */
  readonly now?: (() => Date) | undefined;
}

/** The label of a caller's project: an id where the credentials have one. */
export function projectOf({ project, caller }: Pick<VolumeContext, "project" | "caller">): string {
  if (project !== undefined) return project;
  switch (caller.type) {
    case "project":
      return caller.projectId;
    case "application_credential":
      return `application-credential:${"id" in caller.credential ? caller.credential.id : caller.credential.name}`;
    case "password":
    case "token":
      return scopeLabel(caller.scope);
  }
}

function scopeLabel(scope: Extract<Caller, { readonly scope: unknown }>["scope"]): string {
  switch (scope.type) {
    case "project":
      if ("id" in scope) return scope.id;
      return `${"id" in scope.domain ? scope.domain.id : scope.domain.name}/${scope.name}`;
    case "trust":
      return `trust:${scope.id}`;
    case "domain":
    case "unscoped":
      return scope.type;
  }
}

/**
 * The same context on behalf of another project.
 *
 * @returns undefined if there are no credentials for it
 */
export function contextOf(context: VolumeContext, project: string): VolumeContext | undefined {
  if (projectOf(context) === project) return context;
  const caller = context.callerOf?.(project);
  return caller && { ...context, caller, project };
}

export function nowOf({ now }: VolumeContext): Date {
  return now === undefined ? new Date() : now();
}
