// What every page does beyond links and forms. Each of these works without it, only less quickly.
(() => {
  "use strict";

  // The cookie comes first: a log-in in another tab gives a new token, which this page was not made with.
  const csrf = () => /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] || document.querySelector('meta[name="csrf-token"]').content;
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

  function say(text, isError = false) {
    const line = document.createElement("p");
    line.textContent = text;
    line.classList.toggle("error", isError);
    $("#notice").replaceChildren(line);
  }

  // htmx: the one place that adds the CSRF token, drops empty parameters, and says what went wrong.

  document.addEventListener("htmx:configRequest", ({ detail }) => {
    if (detail.verb !== "get") {
      detail.formData.delete("csrfmiddlewaretoken");
      detail.headers["X-CSRFToken"] = csrf();
    } else for (const name of [...detail.formData.keys()]) if (!detail.formData.get(name)) detail.formData.delete(name);
  });

  document.addEventListener("htmx:beforeSwap", (event) => {
    const path = new URL(event.detail.xhr.responseURL || location.href).pathname;
    if (path !== "/app/login") return;
    event.detail.shouldSwap = false;
    location.assign(`/app/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  });

  // What asks by itself how far something is (data-again) asks once more when there was no answer.

  function again({ elt, verb }) {
    if (!elt.matches("[data-again]")) return verb === "get" ? "Try again." : "Look whether it was saved before you try again: what you typed is still here.";
    setTimeout(() => elt.dispatchEvent(new Event("again")), 5000);
    return "It is asked again in a moment; what was begun goes on.";
  }

  document.addEventListener("htmx:responseError", ({ detail }) => {
    const words = { 403: "You are not allowed to do that.", 404: "That is gone.", 503: "The server is away for a moment. Try again." };
    const id = detail.xhr.getResponseHeader("X-Request-Id");
    if (detail.xhr.status >= 500 && detail.elt.matches("[data-again]")) return say(`The server is away for a moment. ${again(detail.requestConfig)}`, true);
    say((words[detail.xhr.status] || "That did not work.") + (id ? ` Request ${id}.` : ""), true);
  });

  document.addEventListener("htmx:sendError", ({ detail }) => say(`No connection to the server. ${again(detail.requestConfig)}`, true));

  // It was answered: what was said of a lost connection is over.

  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    if (detail.successful && detail.elt.matches("[data-again]")) $$("#notice > .error").forEach((line) => line.remove());
  });

  // A text that was typed and not sent outlives the session: whoever logs in again finds it where it was.

  const draftOf = (field) => `draft:${document.body.dataset.user}:${location.pathname}:${field.id}`;
  const drafts = (root) => $$("textarea[data-draft]", root);

  function bringBack() {
    for (const field of drafts(document)) field.value ||= sessionStorage.getItem(draftOf(field)) || "";
  }

  document.addEventListener("input", ({ target }) => { if (target.matches("textarea[data-draft]")) sessionStorage.setItem(draftOf(target), target.value); });
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.shouldSwap) for (const field of drafts(detail.requestConfig.elt)) sessionStorage.removeItem(draftOf(field));
  });
  document.addEventListener("submit", ({ target }) => {
    if (target.matches("[data-forgets]")) for (const key of Object.keys(sessionStorage)) if (key.startsWith("draft:")) sessionStorage.removeItem(key);
  });
  bringBack();

  // Notices go away by themselves, but for errors.

  new MutationObserver(() => {
    const shown = $$("#notice > p:not(.error)");
    if (shown.length) setTimeout(() => shown.forEach((line) => line.remove()), 6000);
  }).observe($("#notice"), { childList: true });

  // A form that asks for a time zone begins with the browser's own.

  for (const zones of $$("select[data-own-zone]")) {
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (!zones.value && [...zones.options].some((option) => option.value === own)) zones.value = own;
  }

  // A dialog is read from its heading on, also where it is taller than the screen.

  function unfold(dialog) {
    dialog.showModal();
    $("h2", dialog)?.focus();
  }

  // Small things by attribute: data-open (a dialog), data-copy (text), the narrow screen's menu.

  document.addEventListener("click", async (event) => {
    const opener = event.target.closest("[data-open]");
    if (opener) unfold(document.getElementById(opener.dataset.open));

    const copier = event.target.closest("[data-copy]");
    if (copier) await navigator.clipboard.writeText(copier.dataset.copy).then(() => say(copier.dataset.copied || "Link copied."), () => say(copier.dataset.copy));

    const toggle = event.target.closest(".rail-toggle");
    if (toggle) toggle.setAttribute("aria-expanded", $("#rail-nav").classList.toggle("open"));

    const row = event.target.closest("tr[data-url]");
    if (row && !event.target.closest("a, input, label, button, summary") && !getSelection().toString()) location.assign(row.dataset.url);
  });

  // Facets stand outside their form, which does not hear of them by itself.

  document.addEventListener("change", ({ target }) => {
    if (target.form?.getAttribute("id") === "filters" && !target.form.contains(target)) target.form.requestSubmit();
  });

  // A choice that stands for its own button.

  document.addEventListener("change", ({ target }) => {
    if (target.matches("[data-submits]")) target.form.requestSubmit(target.form.querySelector("button"));
  });

  // Lists: the row we are on, which the keys move with the focus.

  const rows = () => $$(".rows tr[data-url]");
  const here = () => $(".rows tr.here");

  function stand(row, isFollowed) {
    here()?.removeAttribute("aria-current");
    here()?.classList.remove("here");
    if (!row) return;
    row.classList.add("here");
    row.setAttribute("aria-current", "true");
    if (row.dataset.id) sessionStorage.setItem("here", row.dataset.id);
    if (!isFollowed) return;
    row.scrollIntoView({ block: "nearest" });
    $("a.name", row)?.focus({ preventScroll: true });
  }

  function move(step) {
    const all = rows();
    const at = all.indexOf(here());
    stand(all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + step))], true);
  }

  // After a part was put in place, stand where one stood, or on the row that took the place of the one that left.

  let place = -1;
  document.addEventListener("htmx:beforeSwap", ({ detail }) => { if (detail.target.querySelector(".rows")) place = rows().indexOf(here()); });
  document.addEventListener("htmx:afterSettle", () => {
    const was = sessionStorage.getItem("here");
    if (place >= 0 && !here()) stand((was && $(`.rows tr[data-id="${CSS.escape(was)}"]`)) || rows()[Math.min(place, rows().length - 1)], document.activeElement === document.body);
    place = -1;
  });

  // After a change in the settings or of what one was told, the focus is on what was wrong, else where it was in its line, else nearby.

  const CAN = "summary, a[href], button:not(:disabled), input:not([type=hidden], :disabled), select:not(:disabled), textarea:not(:disabled)";
  const PARTS = ["settings-part", "notices"];
  const lines = (part) => [part, ...$$("tbody tr, section, .notices > li", part)];

  let left = null;
  document.addEventListener("htmx:beforeSwap", ({ detail: { target, requestConfig } }) => {
    const from = document.activeElement === document.body ? requestConfig?.elt : document.activeElement;
    if (!PARTS.includes(target.id) || !target.contains(from)) return;
    const line = lines(target).findLast((one) => one.contains(from));
    const opener = from.closest("details")?.querySelector("summary") || from;
    left = { part: target.id, line: lines(target).indexOf(line), spot: line === target ? -1 : $$(CAN, line).indexOf(opener) };
  });
  document.addEventListener("htmx:afterSettle", () => {
    const part = left && document.getElementById(left.part);
    if (part && document.activeElement === document.body) {
      const here = lines(part)[left.line];
      const places = lines(part).slice(0, left.line + 1).reverse().flatMap((one) => $$(CAN, one));
      [$("[aria-invalid=true]", part), here && $$(CAN, here)[left.spot], ...places].find((one) => one?.checkVisibility())?.focus();
    }
    left = null;
  });

  document.addEventListener("keydown", (event) => {
    const asks = event.key === "Escape" && event.target.closest("details.confirm[open]");
    if (!asks) return;
    asks.open = false;
    $("summary", asks).focus();
  });

  // Keyboard. Off while typing, with a modifier, and when the person turned single keys off.

  const typing = () => document.activeElement?.matches("input:not([type=checkbox]), textarea, select, [contenteditable]");
  const keysOn = () => document.body.dataset.keys !== "off";
  let awaitsPlace = false;

  const KEYS = {
    j: () => ($('[data-key="j"]') ? $('[data-key="j"]').click() : move(1)),
    k: () => ($('[data-key="k"]') ? $('[data-key="k"]').click() : move(-1)),
    e: () => $('[data-key="e"]')?.click(),
    x: () => here()?.querySelector('input[name="id"]')?.click(),
    o: () => here() && location.assign(here().dataset.url),
    c: () => here() && location.assign(`${here().dataset.url}#say-text`),
    u: () => $(".back")?.click(),
    g: () => { awaitsPlace = true; setTimeout(() => { awaitsPlace = false; }, 1500); },
    "/": () => $("#search")?.focus(),
    "?": () => unfold($("#keys-sheet")),
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && document.activeElement?.id === "search") return document.activeElement.blur();
    if (event.ctrlKey || event.metaKey || event.altKey || typing() || !keysOn() || $("dialog[open]")) return;
    if (awaitsPlace) {
      awaitsPlace = false;
      const link = $(`[data-go="${CSS.escape(event.key)}"]`);
      if (link) {
        event.preventDefault();
        return link.click();
      }
    }
    if (event.key === "Enter" && here() && document.activeElement.matches("body, [tabindex='-1']")) return location.assign(here().dataset.url);
    if (!KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  });

  function showKeys() {
    document.documentElement.classList.toggle("no-keys", !keysOn());
    $("#keys-on").checked = keysOn();
  }
  $("#keys-on").addEventListener("change", (event) => {
    document.body.dataset.keys = event.target.checked ? "on" : "off";
    showKeys();
    const body = new URLSearchParams({ keys: document.body.dataset.keys, next: "/app/profile" });
    fetch("/app/keys", { method: "POST", body, headers: { "X-CSRFToken": csrf() }, redirect: "manual" });
  });
  showKeys();

  // "3 new": asked for every 15 s while the page is seen and nobody types.

  async function lookForArrivals() {
    const list = $("[data-arrivals]");
    if (!list || document.hidden || typing()) return;
    const address = new URL(list.dataset.arrivals, location.href);
    address.searchParams.set("since", list.dataset.newest);
    const answer = await fetch(address, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (answer?.ok && !answer.redirected && $("#arrivals")) $("#arrivals").innerHTML = await answer.text();
  }
  setInterval(lookForArrivals, 15000);

  // Coming back to a list stands on the row that was opened from it.

  const remembered = sessionStorage.getItem("here");
  const comesBack = document.referrer.startsWith(`${location.origin}/app/anomalies/`);
  if (remembered && $("#list")) stand($(`.rows tr[data-id="${CSS.escape(remembered)}"]`), comesBack);
})();
