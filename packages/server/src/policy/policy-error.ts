/**
 * The only error the policy throws, and only while it is read: a policy that
 * was built answers every question. The message names the rule, the place in
 * its text, and what was probably meant.
 */
export class PolicyError extends Error {
  override readonly name = "PolicyError";
}
