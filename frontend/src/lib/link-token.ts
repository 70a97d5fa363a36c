/** Takes the one-time token out of the address, and the fragment with it, before anything can log or keep it. */
export function takeLinkToken(location: Location, history: History): string | null {
  const fragment = location.hash.replace(/^#/, "");
  const token = new URLSearchParams(fragment).get("token");
  if (token === null) return null;
  history.replaceState(history.state, "", location.pathname + location.search);
  return token === "" ? null : token;
}
