import { ApiError } from "../api/client";
import type { useWords } from "./use-words";

/** Why a request failed, as the end of a sentence. */
export function reasonOf(error: unknown, t: ReturnType<typeof useWords>["t"]): string {
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
  if (error.status === 0) return t("errors.noAnswer");
  if (error.problem.detail) return error.problem.detail;
  if (error.status === 403) return t("errors.forbidden");
  return t("errors.status", { status: error.status });
}
