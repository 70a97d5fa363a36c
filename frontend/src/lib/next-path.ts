/** Where to go after signing in: a path of this page, or nothing. */
export function nextPath(value: unknown): string | null {
  return typeof value === "string" && /^\/(?![/\\])/.test(value) ? value : null;
}
