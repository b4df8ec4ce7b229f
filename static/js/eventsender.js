// Counts what happens on a web page and sends it to Plumbline: once a minute, and when the page is left. No cookies, nothing is stored in
// the browser, and nothing about the visitor is sent. Whoever asks not to be tracked is not counted, unless the tag says data-dnt="ignore".
(function (config) {
  "use strict";

  const EVERY_S = 60;
  const MOST = 200;
  const MOST_FAILURES = 5;

  const tag = document.currentScript;
  const url = new URL(config.path, (tag && tag.src) || config.host).href;  // where the script came from
  const before = window.plumbline;
  const asksNot = navigator.doNotTrack === "1" || window.doNotTrack === "1" || navigator.globalPrivacyControl === true;
  const isSilent = asksNot && !(tag && tag.dataset.dnt === "ignore");

  let counts = new Map();
  let gauges = new Map();
  let timer = null;
  let failures = 0;

  // Letters, digits and . _ : - are kept, as on the server; the same thing gets the same name whoever cleans it.
  function cleaned(name) {
    const parts = String(name).trim().replace(/[^A-Za-z0-9_.:-]+/g, "_").split(".").map((part) => part.replace(/^[_-]+|[_-]+$/g, ""));
    return parts.filter(Boolean).join(".").slice(0, 100).replace(/[._-]+$/, "");
  }

  // One place per series: the name, and with an event what it says beside it.
  const place = (name, meta) => JSON.stringify(meta ? [name, Object.entries(meta).sort()] : [name]);

  function put(into, name, meta, value, isAdded) {
    const name_ = cleaned(name);
    if (isSilent || !name_ || !Number.isFinite(value) || (isAdded && value <= 0)) return;
    const key = place(name_, meta);
    const known = into.get(key);
    if (!known && counts.size + gauges.size >= MOST) return;
    const entry = known || [name_, 0, ...(meta ? [meta] : [])];
    entry[1] = isAdded ? entry[1] + value : value;
    into.set(key, entry);
    if (timer === null) timer = setTimeout(flush, EVERY_S * 1000);
  }

  function increment(name, count = 1) { put(counts, name, null, Number(count), true); }
  function gauge(name, value) { put(gauges, name, null, Number(value), false); }
  function event(name, meta) { put(counts, name, meta && typeof meta === "object" ? meta : null, 1, true); }

  // What could not be sent is added to what has come since; what is old by then would be counted at the wrong time, and is dropped.
  function takeBack(oldCounts, oldGauges) {
    failures += 1;
    if (failures >= MOST_FAILURES) return;
    for (const [key, entry] of oldCounts) {
      const now = counts.get(key);
      if (now) now[1] += entry[1]; else if (counts.size + gauges.size < MOST) counts.set(key, entry);
    }
    for (const [key, entry] of oldGauges) if (!gauges.has(key) && counts.size + gauges.size < MOST) gauges.set(key, entry);
    if (timer === null && counts.size + gauges.size) timer = setTimeout(flush, EVERY_S * 1000);
  }

  function flush(isLeaving) {
    clearTimeout(timer);
    timer = null;
    if (!counts.size && !gauges.size) return Promise.resolve(true);
    const sent = [counts, gauges];
    const body = JSON.stringify({ counts: [...counts.values()], gauges: [...gauges.values()] });
    counts = new Map();
    gauges = new Map();
    // Plain text needs no preflight, for which there is no time when a page is left.
    if (isLeaving === true && navigator.sendBeacon && navigator.sendBeacon(url, new Blob([body], { type: "text/plain" }))) return Promise.resolve(true);
    return fetch(url, { method: "POST", body, headers: { "Content-Type": "text/plain" }, credentials: "omit", keepalive: true }).then(
      (answer) => {
        if (answer.status === 429 || answer.status >= 500) takeBack(...sent); else failures = 0;
        return answer.ok;
      },
      () => { takeBack(...sent); return false; },
    );
  }

  window.plumbline = { increment, gauge, event, flush };
  for (const [method, ...values] of (before && before.q) || []) if (["increment", "gauge", "event"].includes(method)) window.plumbline[method](...values);

  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") flush(true); });
  window.addEventListener("pagehide", () => flush(true));
})
