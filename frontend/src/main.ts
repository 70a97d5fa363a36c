import "virtual:tokens.css";
import "./style.css";
import { createPinia } from "pinia";
import { createApp } from "vue";
import App from "./App.vue";
import { onSleep } from "./composables/use-now";
import { i18n, speak, startLanguage } from "./i18n";
import { takeLinkToken } from "./lib/link-token";
import { remembered } from "./lib/storage";
import { createPageRouter } from "./router";
import { useConnection } from "./stores/connection";
import { useDevices } from "./stores/devices";
import { useSession } from "./stores/session";

const linkToken = takeLinkToken(window.location, window.history);

async function boot(): Promise<void> {
  const app = createApp(App).use(createPinia()).use(i18n);
  const session = useSession();
  const connection = useConnection();
  const started = session.start(linkToken);
  if (linkToken === null && remembered("signed-in") !== null) void useDevices().load();
  await speak(startLanguage());
  app.use(createPageRouter(session, started)).mount("#app");

  document.addEventListener("visibilitychange", () => {
    connection.onVisibility(document.hidden);
  });
  window.addEventListener("online", connection.hurry);
  window.addEventListener("pageshow", connection.hurry);
  onSleep(connection.probe);
  window.addEventListener("vite:preloadError", (event) => {
    event.preventDefault();
    session.updated = true;
  });
}

void boot();
