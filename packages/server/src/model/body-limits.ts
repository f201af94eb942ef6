/** The maximum size of a JSON body, in bytes. Barbican's own limits of bodies and payloads have the same ratio. */
export function maxJsonBytes(maxPayloadBytes: number): number {
  return Math.ceil(maxPayloadBytes * 1.25);
}
