/** localStorage where there is one; a private window without it just forgets. */
export function remembered(name: string): string | null {
  try {
    return localStorage.getItem(`iot.${name}`);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`iot.${name}`);
    else localStorage.setItem(`iot.${name}`, value);
  } catch {
    return;
  }
}
