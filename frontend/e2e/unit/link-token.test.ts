import { beforeEach, describe, expect, it } from "vitest";
import { takeLinkToken } from "../../src/lib/link-token";
import { nextPath } from "../../src/lib/next-path";

describe("the token of the first link", () => {
  beforeEach(() => {
    window.history.replaceState(null, "", "/");
  });

  it("is taken, and the fragment leaves the address without a step in the history", () => {
    window.history.replaceState({ kept: 1 }, "", "/devices?q=a#token=abc%2Fd");
    const length = window.history.length;
    expect(takeLinkToken(window.location, window.history)).toBe("abc/d");
    expect(window.location.href).toBe(`${window.location.origin}/devices?q=a`);
    expect(window.history.length).toBe(length);
    expect(window.history.state).toEqual({ kept: 1 });
  });

  it("leaves another fragment alone", () => {
    window.history.replaceState(null, "", "/#content");
    expect(takeLinkToken(window.location, window.history)).toBeNull();
    expect(window.location.hash).toBe("#content");
  });

  it("is nothing when empty, and the fragment still goes", () => {
    window.history.replaceState(null, "", "/#token=");
    expect(takeLinkToken(window.location, window.history)).toBeNull();
    expect(window.location.hash).toBe("");
  });
});

describe("where to go after signing in", () => {
  it("is a path of this page only", () => {
    expect(nextPath("/devices/a?from=-1h")).toBe("/devices/a?from=-1h");
    for (const strange of ["//evil.example", "/\\evil.example", "https://evil.example", "", null, ["/a"]]) expect(nextPath(strange)).toBeNull();
  });
});
