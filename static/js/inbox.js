// The inbox: which anomalies are selected, on this page and on others, and the panel of a change of many.
(() => {
  "use strict";

  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const list = () => $("#list");
  const picks = () => $$('#list input[name="id"]');
  const everything = () => $('#list input[name="scope"]');

  // The selection outlives pages, filters and actions: it is kept for this window, and for this person.

  const KEPT = `selection:${document.body.dataset.user}`;
  let selection = new Set(JSON.parse(sessionStorage.getItem(KEPT) || "[]"));

  function keep() {
    sessionStorage.setItem(KEPT, JSON.stringify([...selection]));
    show();
  }

  function show() {
    const bulk = $(".bulk");
    if (!bulk) return;
    const boxes = picks();
    for (const box of boxes) box.checked = everything()?.checked || selection.has(box.value);
    const here = boxes.filter((box) => box.checked).length;
    const count = everything()?.checked ? $("#inbox").dataset.match : String(selection.size);
    bulk.classList.toggle("on", count !== "0");
    $(".selected", bulk).textContent = count;
    const elsewhere = everything()?.checked ? 0 : selection.size - here;
    $(".elsewhere", bulk).textContent = elsewhere > 0 ? `${elsewhere} not on this page` : "";
    const all = $("#list input.all");
    if (all) [all.checked, all.indeterminate] = [here > 0 && here === boxes.length, here > 0 && here < boxes.length];
  }

  function select(boxes, isOn) {
    if (everything()) everything().checked = false;
    for (const box of boxes) isOn ? selection.add(box.value) : selection.delete(box.value);
    keep();
  }

  function clear() {
    if (everything()) everything().checked = false;
    selection = new Set();
    keep();
  }

  let lastPick = null;
  document.addEventListener("click", (event) => {
    const { target } = event;
    if (target.matches('#list input[name="id"]')) {
      const all = picks();
      const isRange = event.shiftKey && all.includes(lastPick);
      const [from, to] = [isRange ? all.indexOf(lastPick) : all.indexOf(target), all.indexOf(target)].sort((a, b) => a - b);
      lastPick = target;
      select(all.slice(from, to + 1), target.checked);
    }
    if (target.matches("#list input.all")) select(picks(), target.checked);
    if (target.matches('#list input[name="scope"]')) show();
    if (target.closest(".bulk .clear")) clear();
    if (target.closest("#outcome .dismiss")) {
      event.preventDefault();
      dismiss();
    }
  });

  // What is sent: the selection of all pages, or else the row on which one stands.

  document.addEventListener("htmx:configRequest", ({ detail }) => {
    // Not `.id`: the form has fields of that name.
    if (detail.elt.getAttribute("id") !== "list") return;
    const chosen = selection.size ? [...selection] : [$(".rows tr.here")?.dataset.id].filter(Boolean);
    detail.formData.delete("id");
    detail.formData.set("ids", chosen.join(","));
  });

  // The panel of the change: it takes the focus when it asks, and gives it back.

  function dismiss() {
    $("#outcome").replaceChildren();
    list()?.querySelector("tr.here .name")?.focus({ preventScroll: true });
  }

  // Menus close when one goes elsewhere.

  const menus = () => $$("details.menu[open]");
  document.addEventListener("click", ({ target }) => menus().forEach((menu) => { if (!menu.contains(target)) menu.open = false; }));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = menus().pop();
    if (!menu) return;
    menu.open = false;
    $("summary", menu).focus();
  });

  // Keys of the bar and of the panel, beside those of all pages.

  const OURS = new Set(["a", "r", "s", "t", "z"]);
  const typing = () => document.activeElement?.matches("input:not([type=checkbox]), textarea, select");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing() || document.body.dataset.keys === "off" || $("dialog[open]")) return;
    const button = !event.defaultPrevented && OURS.has(event.key) && $(`[data-key="${event.key}"]`);
    if (!button) return;
    event.preventDefault();
    button.click();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && $("#outcome")?.hasChildNodes() && !$("dialog[open], details.menu[open]")) dismiss();
  });

  function fit(menu) {
    for (const field of $$("[data-for]", menu.form)) field.hidden = !field.dataset.for.split(" ").includes(menu.value);
  }
  document.addEventListener("change", ({ target }) => { if (target.matches("[data-shows]")) fit(target); });

  // What an action took out of the list is no longer selected; what stays in it is, for the next action.

  let before = [];
  document.addEventListener("htmx:beforeSwap", ({ detail }) => { if (detail.target.id === "inbox") before = picks().map((box) => box.value); });
  document.addEventListener("htmx:afterSettle", ({ detail }) => {
    $$("#outcome [data-shows]").forEach(fit);
    if (detail.target.id === "outcome" && document.activeElement === document.body) $("#outcome > .told")?.focus();
    if (detail.requestConfig?.triggeringEvent?.type === "inbox-changed") {
      const now = new Set(picks().map((box) => box.value));
      for (const id of before) if (!now.has(id)) selection.delete(id);
    }
    before = [];
    keep();
  });

  // On a narrow screen the filters are folded away until they are asked for.

  function foldFilters() {
    if (matchMedia("(max-width: 720px)").matches) for (const fold of $$("[data-fold]")) fold.open = false;
  }

  foldFilters();
  document.addEventListener("htmx:afterSwap", ({ detail }) => { if (detail.target.id === "inbox") foldFilters(); });
  show();
})();
