import { onScopeDispose, readonly, ref, type Ref } from "vue";

export function useMedia(query: string): Readonly<Ref<boolean>> {
  const list = window.matchMedia(query);
  const matches = ref(list.matches);
  const update = (event: MediaQueryListEvent): void => {
    matches.value = event.matches;
  };
  list.addEventListener("change", update);
  onScopeDispose(() => {
    list.removeEventListener("change", update);
  });
  return readonly(matches);
}
