import { noteServerDate } from "../lib/clock";
import type { DataAnswer, Device, Latest, Page, Problem, SessionAnswer } from "./types";

const ROOT = "/api/v1";
const DEADLINE = 30_000;

/** What went wrong with a request: an answer of the server, or none at all (`status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem,
  ) {
    super(problem.detail ?? problem.title ?? `HTTP ${String(status)}`);
    this.name = "ApiError";
  }
}

export const api = {
  signIn: (token: string) => request<SessionAnswer>("POST", "/session", { body: { token } }),
  session: (signal?: AbortSignal) => request<SessionAnswer>("GET", "/session", signal ? { signal } : {}),
  signOut: () => request<undefined>("DELETE", "/session"),
  devices: (limit: number, cursor: string | null) =>
    request<Page<Device>>("GET", `/devices?${query({ limit, cursor })}`),
  device: (deviceId: string) => request<Device>("GET", `/devices/${encodeURIComponent(deviceId)}`),
  data: (sensorId: string, range: { from: number; to: number; points: number }, signal: AbortSignal) =>
    request<DataAnswer>("GET", `/sensors/${encodeURIComponent(sensorId)}/data?${query(range)}`, { signal }),
  latestBefore: (sensorId: string, before: number, signal: AbortSignal) =>
    request<Latest | null>("GET", `/sensors/${encodeURIComponent(sensorId)}/latest?${query({ before })}`, { signal }),
};

function query(parameters: Record<string, string | number | null>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null) search.set(name, String(value));
  }
  return search.toString();
}

async function request<T>(method: string, path: string, options: { body?: unknown; signal?: AbortSignal } = {}): Promise<T> {
  const sent = Date.now();
  const init: RequestInit = { method, credentials: "same-origin", headers: { Accept: "application/json" } };
  const deadline = AbortSignal.timeout(DEADLINE);
  init.signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
  if (options.body !== undefined) {
    init.headers = { Accept: "application/json", "Content-Type": "application/json" };
    init.body = JSON.stringify(options.body);
  }
  let response: Response;
  try {
    response = await fetch(ROOT + path, init);
  } catch (error) {
    if (options.signal?.aborted === true) throw error;
    throw new ApiError(0, {});
  }
  noteServerDate(response.headers.get("Date"), sent, Date.now());
  if (!response.ok) throw new ApiError(response.status, await problemOf(response));
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

async function problemOf(response: Response): Promise<Problem> {
  if (response.headers.get("Content-Type")?.includes("json") !== true) return {};
  try {
    return (await response.json()) as Problem;
  } catch {
    return {};
  }
}
