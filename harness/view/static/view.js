// The pages work without this. Keys: j and k go through questions, n and p through pages, u goes up, / searches.
"use strict";

(() => {
  const STORED = "harness.keys";
  const link = (rel) => document.querySelector(`main a[rel="${rel}"], header a[rel="${rel}"]`);
  const rows = Array.from(document.querySelectorAll("article.row:not(.alone)"));
  let on = localStorage.getItem(STORED) !== "off";

  const follow = (rel) => link(rel)?.click();

  const move = (step) => {
    if (!rows.length) return follow(step > 0 ? "next" : "prev");
    const focused = document.activeElement?.closest("article.row");
    const place = focused ? rows.indexOf(focused) + step : 0;
    const row = rows[Math.max(0, Math.min(rows.length - 1, place))];
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "start" });
  };

  const open = () => document.activeElement?.matches("article.row") && document.activeElement.querySelector("h2 a").click();

  const keys = {
    j: () => move(1),
    k: () => move(-1),
    n: () => follow("next"),
    p: () => follow("prev"),
    u: () => follow("up"),
    Enter: open,
    "/": () => document.querySelector("input[type=search]")?.focus(),
  };

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea, [contenteditable]");
    if (!on || typing || event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
    if (event.key === "Enter" && !event.target.matches("article.row")) return;
    event.preventDefault();
    keys[event.key]();
  });

  // Who speaks to the computer, or types by accident, must be able to do without keys that are no shortcuts elsewhere.
  const label = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = on;
  box.addEventListener("change", () => {
    on = box.checked;
    localStorage.setItem(STORED, on ? "on" : "off");
  });
  label.append(box, " Keys: j, k question; n, p page; u up; / search");
  const foot = document.createElement("footer");
  foot.className = "keys quiet";
  foot.append(label);
  document.body.append(foot);

  // What a form leaves empty is no part of an address worth keeping.
  document.querySelectorAll("form").forEach((form) =>
    form.addEventListener("submit", () => {
      for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
    }),
  );
  window.addEventListener("pageshow", () => document.querySelectorAll("form :disabled").forEach((field) => (field.disabled = false)));
})();
