import { createRouter, createWebHistory, type Router } from "vue-router";
import { nextPath } from "../lib/next-path";
import type { useSession } from "../stores/session";
import DevicesView from "../views/DevicesView.vue";

declare module "vue-router" {
  interface RouteMeta {
    /** Shown without the shell: no navigation, no connection. */
    bare?: true;
  }
}

/** Called after the link's token has left the address. Every navigation waits for the first answer about the session. */
export function createPageRouter(session: ReturnType<typeof useSession>, started: Promise<void>): Router {
  const router = createRouter({
    history: createWebHistory(),
    scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
    routes: [
      { path: "/", redirect: { name: "devices" } },
      { path: "/devices", name: "devices", component: DevicesView },
      { path: "/devices/:device_id", name: "device", component: () => import("../views/DeviceView.vue") },
      { path: "/settings", name: "settings", component: () => import("../views/SettingsView.vue") },
      { path: "/sign-in", name: "sign-in", component: () => import("../views/SignInView.vue"), meta: { bare: true } },
      { path: "/:rest(.*)*", name: "not-found", component: () => import("../views/NotFoundView.vue") },
    ],
  });
  router.beforeEach(async (to) => {
    await started;
    const out = session.state === "signed-out";
    if (to.name === "sign-in") return out ? true : (nextPath(to.query["next"]) ?? { name: "devices" });
    if (!out) return true;
    return { name: "sign-in", query: to.fullPath === "/devices" ? {} : { next: to.fullPath } };
  });
  return router;
}
