// The page of an anomaly: its keys, its menus, the list that "@" opens, and where the focus goes after a change.
(() => {
  "use strict";

  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const FIELDS = "input:not([type=hidden]):not([disabled]), select, textarea";

  // Keys that the page has beside those of all pages: whatever carries data-key, and [ ] as k j.

  const ALIKE = { "[": "k", "]": "j" };
  const OURS = new Set(["a", "c", "r", "s", "t", "w", "z"]);
  const typing = () => document.activeElement?.matches("input:not([type=checkbox]), textarea, select, [contenteditable]");

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing() || document.body.dataset.keys === "off" || $("dialog[open]")) return;
    const key = ALIKE[event.key] || (OURS.has(event.key) ? event.key : "");
    const target = key && $(`[data-key="${key}"]`);
    if (!target || target.disabled) return;
    event.preventDefault();
    if (target.matches("textarea")) target.focus();
    else if (target.matches("summary")) open(target.parentElement);
    else target.click();
  });

  function open(menu) {
    menu.open = true;
    ($("input[type=radio]:checked", menu) || $(FIELDS, menu))?.focus();
  }

  // From the inbox, "c" leads to the comment.
  if (location.hash === "#say-text") $("#say-text")?.focus();

  // Menus: one at a time; Escape and a click elsewhere close them. What is typed beside a choice makes that choice.

  document.addEventListener("toggle", ({ target }) => {
    if (!target.matches?.("details.menu") || !target.open) return;
    for (const other of $$("details.menu[open]")) if (other !== target) other.open = false;
  }, true);

  document.addEventListener("click", ({ target }) => {
    for (const menu of $$("details.menu[open]")) if (!menu.contains(target) && document.contains(target)) menu.open = false;
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.activeElement?.closest("details.menu[open]") || $("details.menu[open]");
    if (menu && !$(".mention-list")) {
      menu.open = false;
      $("summary", menu).focus();
    } else if (document.activeElement?.id === "say-text" && !$(".mention-list")) document.activeElement.blur();
  });

  document.addEventListener("input", ({ target }) => {
    if (!target.dataset.chooses || !target.value) return;
    const choice = $(`input[type=radio][value="${target.dataset.chooses}"]`, target.form);
    if (choice) choice.checked = true;
  });

  // After a change, the focus is where it was, or on the nearest that is still there; what was being typed elsewhere stays.

  const CAN = "summary, a[href], button:not(:disabled), input:not([type=hidden], :disabled), select:not(:disabled), textarea:not(:disabled)";
  const around = (element) => (element ? [element, ...around(element.parentElement)] : []);
  const stands = (place) => (place.matches(`${CAN}, [tabindex]`) ? [place] : $$(CAN, place)).find((one) => one.checkVisibility());

  let trail = [];
  let drafts = {};
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const sent = detail.requestConfig?.elt;
    const from = document.activeElement === document.body ? sent : document.activeElement;
    const ids = around(from).map((one) => one.getAttribute("id")).filter(Boolean);
    trail = ids.slice(0, ids.findIndex((id) => ["head", "side", "main"].includes(id)));
    drafts = {};
    for (const field of $$("#head textarea[id], #side textarea[id]")) if (field.value !== field.defaultValue && field.form !== sent) drafts[field.id] = field.value;
  });
  document.addEventListener("htmx:afterSettle", () => {
    for (const [id, value] of Object.entries(drafts)) {
      const field = document.getElementById(id);
      if (!field || field.disabled) continue;
      field.value = value;
      const fold = field.closest("details");
      if (fold) fold.open = true;
    }
    drafts = {};
    const refused = $("details.menu[open] .errors");
    if (refused) return open(refused.closest("details"));
    if (document.activeElement !== document.body) return;
    const places = trail.map((id) => document.getElementById(id)).filter(Boolean);
    (places.map(stands).find(Boolean) || $("#set-status, #restore"))?.focus();
  });

  // What can be undone says so for ten seconds.

  new MutationObserver(() => {
    for (const line of $$("#notice [data-goes]")) setTimeout(() => line.remove(), Number(line.dataset.goes));
  }).observe($("#notice"), { childList: true });

  // "@" opens a list of those who may read this; arrows choose, Enter and Tab take, Escape closes.

  const MENTION = /(?:^|[\s(])@([^\s@][^@\n]{0,40}|)$/;
  let list = null;

  function close() {
    list?.box.remove();
    list?.field.removeAttribute("aria-activedescendant");
    list?.field.setAttribute("aria-expanded", "false");
    list = null;
  }

  async function look(field) {
    const found = MENTION.exec(field.value.slice(0, field.selectionStart));
    if (!found) return close();
    const asked = found[1];
    const answer = await fetch(`${field.dataset.mentions}?q=${encodeURIComponent(asked)}`).catch(() => null);
    const now = MENTION.exec(field.value.slice(0, field.selectionStart));
    if (!answer?.ok || answer.redirected || document.activeElement !== field || now?.[1] !== asked) return;
    show(field, (await answer.json()).people, asked);
  }

  function show(field, people, asked) {
    close();
    if (!people.length) return;
    const box = document.createElement("ul");
    box.className = "mention-list";
    box.id = "mention-list";
    box.setAttribute("role", "listbox");
    box.setAttribute("aria-label", "People");
    people.forEach((person, at) => {
      const line = document.createElement("li");
      line.id = `mention-${at}`;
      line.setAttribute("role", "option");
      line.textContent = person.name;
      const hint = document.createElement("span");
      hint.className = "mute small";
      hint.textContent = ` ${person.email}`;
      line.append(hint);
      line.addEventListener("mousedown", (event) => { event.preventDefault(); list.at = at; take(); });
      box.append(line);
    });
    field.after(box);
    for (const [name, value] of [["role", "combobox"], ["aria-expanded", "true"], ["aria-controls", "mention-list"], ["aria-autocomplete", "list"]]) field.setAttribute(name, value);
    list = { field, box, people, asked, at: 0 };
    choose(0);
  }

  function choose(step) {
    list.at = (list.at + step + list.people.length) % list.people.length;
    [...list.box.children].forEach((line, at) => line.setAttribute("aria-selected", String(at === list.at)));
    list.field.setAttribute("aria-activedescendant", `mention-${list.at}`);
    list.box.children[list.at].scrollIntoView({ block: "nearest" });
  }

  function take() {
    const { field, people, asked, at } = list;
    const person = people[at];
    const start = field.selectionStart - asked.length - 1;
    field.setRangeText(`@[${person.name.replace(/[[\]\n]/g, " ")}](${person.id}) `, start, field.selectionStart, "end");
    close();
  }

  document.addEventListener("input", ({ target }) => { if (target.matches("textarea[data-mentions]")) look(target); });
  document.addEventListener("focusout", ({ target }) => { if (list?.field === target) close(); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches?.("textarea")) return event.target.form?.requestSubmit();
    if (!list || event.target !== list.field) return;
    const does = { ArrowDown: () => choose(1), ArrowUp: () => choose(-1), Enter: take, Tab: take, Escape: close }[event.key];
    if (!does) return;
    event.preventDefault();
    event.stopPropagation();
    does();
  }, true);
})();
