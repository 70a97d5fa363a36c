import { watchEffect } from "vue";
import { isolate } from "../lib/format";
import { useSession } from "../stores/session";

/** The title of the browser's tab: the view, then the gateway. Names from outside come isolated by the caller. */
export function usePageTitle(title: () => string): void {
  const session = useSession();
  watchEffect(() => {
    const gateway = session.answer?.gateway.name;
    document.title = gateway ? `${title()} · ${isolate(gateway)}` : title();
  });
}
