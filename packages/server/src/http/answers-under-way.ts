import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** One of each connection, changed in place, so that no request makes one. */
interface Noted {
  answer: ServerResponse;
  /** The answer to the request before, if that was not finished when this one came. */
  before: ServerResponse | undefined;
}

const latest = new WeakMap<Socket, Noted>();
const refused = new WeakSet<Socket>();

/** Notes that a request came, whose answer is on its way. */
export function noteAnswer(answer: ServerResponse): void {
  const { socket } = answer.req;
  const noted = latest.get(socket);
  if (noted === undefined) latest.set(socket, { answer, before: undefined });
  else {
    noted.before = noted.answer.writableFinished ? undefined : noted.answer;
    noted.answer = answer;
  }
}

/**
 * Calls once, when the requests that came whole on a connection are answered: at once if they are. A client that sends
 * several requests at a time takes the first answer for the first request, which may have been carried out.
 */
export function afterAnswers(socket: Socket, refuse: () => void): void {
  // Each packet after the first that cannot be read is reported, too.
  if (refused.has(socket)) return;
  refused.add(socket);
  const last = lastWhole(latest.get(socket));
  if (!last || last.writableFinished || last.destroyed) refuse();
  else last.once("close", refuse);
}

/** The request that cannot be read to its end is the last one. Answers are sent in the order of their requests. */
function lastWhole(noted: Noted | undefined): ServerResponse | undefined {
  return noted?.answer.req.complete === false ? noted.before : noted?.answer;
}
