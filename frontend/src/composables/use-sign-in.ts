import { computed, ref, type ComputedRef, type Ref } from "vue";
import { useSession } from "../stores/session";
import { useWords } from "./use-words";

export interface SignIn {
  busy: Ref<boolean>;
  message: ComputedRef<string>;
  submit: (token: string) => Promise<boolean>;
}

/** Signing in by a token, and what to say when it does not work. */
export function useSignIn(): SignIn {
  const session = useSession();
  const { t } = useWords();
  const busy = ref(false);
  const message = computed(() => {
    switch (session.failure) {
      case "token-refused":
        return t("signIn.refused");
      case "no-answer":
        return t("signIn.noAnswer");
      case "other":
        return t("signIn.other", { reason: session.failureDetail });
      case "link-used":
      case null:
        return "";
    }
  });

  async function submit(token: string): Promise<boolean> {
    busy.value = true;
    try {
      return await session.signIn(token);
    } finally {
      busy.value = false;
    }
  }

  return { busy, message, submit };
}
