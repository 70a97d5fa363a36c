import { onScopeDispose, watch } from "vue";
import type { Wish } from "../api/socket";
import { useConnection } from "../stores/connection";

/** Keeps the socket subscribed to what the view shows; a changed wish is asked for before the old one is let go. */
export function useSubscription(wish: () => Wish | null): void {
  const connection = useConnection();
  let current: number | null = null;
  let spoken = "";
  watch(
    wish,
    (next) => {
      const text = JSON.stringify(next);
      if (text === spoken) return;
      spoken = text;
      const old = current;
      current = next === null ? null : connection.subscribe(next);
      if (old !== null) connection.unsubscribe(old);
    },
    { immediate: true },
  );
  onScopeDispose(() => {
    if (current !== null) connection.unsubscribe(current);
  });
}
