import { defineStore } from "pinia";
import { ref, shallowRef } from "vue";
import { api, ApiError } from "../api/client";
import type { SessionAnswer } from "../api/types";
import { remember } from "../lib/storage";

export type SessionState = "starting" | "signed-out" | "signed-in" | "ended";
export type SignInFailure = "link-used" | "token-refused" | "no-answer" | "other";

const PLACEHOLDER = "__IOT_BUILD__";
const ASK_AGAIN = 2_000;

/** Who is signed in, to which gateway, and whether the page is as new as its server. */
export const useSession = defineStore("session", () => {
  const state = ref<SessionState>("starting");
  const byLink = ref(false);
  const failure = ref<SignInFailure | null>(null);
  const failureDetail = ref("");
  const answer = shallowRef<SessionAnswer | null>(null);
  const updated = ref(false);
  let build = pageBuild();

  function accept(next: SessionAnswer): void {
    answer.value = next;
    if (build === null) build = next.build;
    else if (next.build && next.build !== build) updated.value = true;
    failure.value = null;
    state.value = "signed-in";
    remember("signed-in", "1");
  }

  /** The first thing the page asks: by the link if there is one, else by the cookie. Without an answer it asks again. */
  async function start(linkToken: string | null): Promise<void> {
    byLink.value = linkToken !== null;
    let token = linkToken;
    for (;;) {
      if (token !== null && (await post(token, "link-used"))) return;
      if (failure.value !== "no-answer") token = null;
      if (token === null && (await resume())) return;
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN));
    }
  }

  /** Whether the cookie's question was answered, by yes or by no. */
  async function resume(): Promise<boolean> {
    try {
      accept(await api.session());
    } catch (error) {
      if (!isUnauthorized(error)) {
        failed(error, "other");
        return false;
      }
      if (failure.value === "no-answer") failure.value = null;
      state.value = "signed-out";
      remember("signed-in", null);
    }
    return true;
  }

  async function signIn(token: string): Promise<boolean> {
    return post(token, "token-refused");
  }

  async function post(token: string, refused: SignInFailure): Promise<boolean> {
    try {
      accept(await api.signIn(token));
      return true;
    } catch (error) {
      failed(error, refused);
      return false;
    }
  }

  function failed(error: unknown, refused: SignInFailure): void {
    const status = error instanceof ApiError ? error.status : -1;
    if (status === 0) failure.value = "no-answer";
    else failure.value = status === 401 ? refused : "other";
    failureDetail.value = error instanceof Error ? error.message : "";
  }

  /** After a return of the link: is the session still good, and is the server still the one this page came from? */
  async function check(): Promise<void> {
    try {
      accept(await api.session());
    } catch (error) {
      if (isUnauthorized(error)) end();
    }
  }

  function end(): void {
    if (state.value === "signed-in") state.value = "ended";
  }

  async function signOut(): Promise<void> {
    await api.signOut();
    remember("signed-in", null);
    state.value = "signed-out";
    answer.value = null;
    failure.value = null;
    byLink.value = false;
  }

  return { state, byLink, failure, failureDetail, answer, updated, start, signIn, check, end, signOut };
});

function isUnauthorized(error: unknown): boolean {
  return error instanceof ApiError && error.status === 401;
}

function pageBuild(): string | null {
  const content = document.querySelector('meta[name="iot-build"]')?.getAttribute("content") ?? "";
  return content === "" || content === PLACEHOLDER ? null : content;
}
