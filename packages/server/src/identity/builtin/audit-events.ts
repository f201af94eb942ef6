import type { AuditEntry } from "../../model/audit-entry.ts";
import type { IdentityEvent } from "./builtin-options.ts";

/** An identity event as the key server's audit record keeps it. An unknown user, or none, is `-`. */
export function auditEntryOf(event: IdentityEvent, at: string): AuditEntry {
  const common = {
    at,
    requestId: event.requestId,
    userId: event.userId ?? "-",
    projectId: ("projectId" in event && event.projectId) || "-",
    address: event.address,
  };
  switch (event.type) {
    case "login":
      return {
        ...common,
        action: `identity:login:${event.method}`,
        ...(event.outcome === "success" &&
          event.auditId !== undefined && { objectId: event.auditId }),
        ...(event.outcome === "refused" && { times: event.times ?? 1 }),
        outcome: event.outcome === "success" ? "ok" : "forbidden",
      };
    case "change":
      return {
        ...common,
        action: `identity:${event.action}`,
        ...(event.objectId !== undefined && { objectId: event.objectId }),
        outcome: event.status < 400 ? "ok" : event.status === 403 ? "forbidden" : `${event.status}`,
      };
  }
}
