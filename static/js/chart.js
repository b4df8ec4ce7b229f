// The chart of a series: its values, what was expected, and its anomalies. Data come from the REST API, colours from tokens.css.
(() => {
  "use strict";

  const plot = document.getElementById("plot");
  if (!plot) return;
  const config = JSON.parse(document.getElementById("plot-config").textContent);
  const readout = document.querySelector(".readout");
  const tableLink = document.querySelector("[data-table]");
  const scaleButton = document.querySelector("[data-scale]");
  const hint = readout.textContent;

  let shown = { start: config.start, end: config.end };
  let chart = null;
  let data = null;
  let events = [];
  let isLog = false;
  let asked = 0;

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // A colour has two values in the sheet; which of them holds is known of a property that is a colour.
  const probe = document.body.appendChild(document.createElement("span"));
  probe.hidden = true;
  const color = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 });
  const whole = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });
  const hour12 = document.body.dataset.clock === "12";
  const clock = new Intl.DateTimeFormat("en-GB", {
    timeZone: config.zone, weekday: "short", day: "numeric", month: "short", hour: hour12 ? "numeric" : "2-digit", minute: "2-digit", second: "2-digit", hour12,
  });
  const figure = (value) => (value == null ? "no value" : whole.format(value));

  function state(text) {
    plot.querySelector(".plot-state")?.remove();
    if (!text) return;
    const line = document.createElement("p");
    line.className = "plot-state";
    line.textContent = text;
    plot.append(line);
  }

  // Data: two columns files, joined on their times. Values thinned by the server to about one per pixel.

  async function read(address) {
    const url = new URL(address, location.href);
    const most = String(Math.max(200, Math.round(plot.clientWidth * 1.2)));
    const asks = { times: "unix", from: shown.start, until: shown.end, max_points: most };
    for (const [name, value] of Object.entries(asks)) url.searchParams.set(name, value);
    const answer = await fetch(url, { headers: { Accept: "application/json" } });
    if (answer.status === 401 || answer.redirected) return location.reload();
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail || `The server said ${answer.status}.`);
    return answer.json();
  }

  // What the org did and what it was told of, such as a deploy. A chart without its markers is better than none.
  async function readEvents() {
    const url = new URL(config.events, location.href);
    const asks = { start_date: new Date(shown.start * 1000).toISOString(), end_date: new Date(shown.end * 1000).toISOString(), size: "100" };
    for (const [name, value] of Object.entries(asks)) url.searchParams.set(name, value);
    const answer = await fetch(url, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer?.ok) return [];
    const isOurs = ({ datastore, metric_id: metric }) => (!datastore || datastore.id === config.datastore) && (!metric || metric === config.metric);
    return (await answer.json()).items.filter(isOurs).map(({ name, type, url: leads, timestamp }) => ({ name, type, leads, at: Date.parse(timestamp) / 1000 }));
  }

  // The same in words, for those who do not see the picture, and to follow.
  function listEvents() {
    const list = document.getElementById("plot-events");
    list.hidden = !events.length;
    list.replaceChildren(...events.slice(0, 8).map(({ name, type, leads, at }) => {
      const line = document.createElement("li");
      const what = document.createElement(/^https?:/.test(leads) ? "a" : "span");
      if (what.matches("a")) [what.href, what.rel] = [leads, "noopener noreferrer"];
      what.textContent = name;
      line.append(`${clock.format(at * 1000)} · ${type.replace("_", " ")} · `, what);
      return line;
    }));
  }

  // A step of many points is drawn from its least to its greatest value, in the order that lies nearer to the step before: no spike is lost.
  function extremes({ timestamps, minimum, maximum }, step) {
    const [times, values] = [[], []];
    timestamps.forEach((time, at) => {
      const [low, high] = [minimum[at], maximum[at]];
      const last = values.at(-1) ?? low;
      const pair = Math.abs(last - low) <= Math.abs(last - high) ? [low, high] : [high, low];
      times.push(time, time + step / 2);
      values.push(...pair);
    });
    return [times, values];
  }

  // Where the detector says nothing, and where points are missing, the line breaks.
  function broken(times, columns, step) {
    const out = [[], ...columns.map(() => [])];
    times.forEach((time, at) => {
      if (at && step && time - times[at - 1] > 3.5 * step) {
        out[0].push(times[at - 1] + step);
        columns.forEach((_, column) => out[column + 1].push(null));
      }
      out[0].push(time);
      columns.forEach((values, column) => out[column + 1].push(values[at]));
    });
    return out;
  }

  async function load() {
    const turn = ++asked;
    if (!chart) state("Reading points…");
    try {
      const [points, band, told] = await Promise.all([read(config.timeseries), read(config.forecast), readEvents()]);
      if (turn !== asked || !points || !band) return;
      events = told;
      const step = points.resolution || config.resolution;
      const [times, shape] = points.minimum ? extremes(points, step) : [points.timestamps, points.values];
      const values = broken(times, [shape], step);
      const bands = broken(band.timestamps, [band.expected, band.lower, band.upper], band.resolution || step);
      data = uPlot.join([values, bands]);
      draw();
    } catch (error) {
      if (turn === asked) state(error.message || "The points could not be read.");
    }
  }

  // Drawing.

  const isHit = (time) => config.marks.some((mark) => time >= mark.start - 1e-3 && time <= (mark.end ?? config.now) + 1e-3);

  function columns() {
    const [times, values, expected, lower, upper] = data;
    const hit = values.map((value, at) => (isHit(times[at]) || (at && isHit(times[at - 1])) || (at + 1 < times.length && isHit(times[at + 1])) ? value : null));
    return [times, lower, upper, expected, values, hit];
  }

  function range(self, low, high) {
    const values = self.data[4].filter((value) => value != null);
    if (!values.length) return [low ?? 0, high ?? 1];
    let [least, most] = [Infinity, -Infinity];
    for (const value of values) { if (value < least) least = value; if (value > most) most = value; }
    for (const mark of config.marks) {
      if (mark.value != null && mark.peak >= shown.start && mark.peak <= shown.end) [least, most] = [Math.min(least, mark.value), Math.max(most, mark.value)];
    }
    const room = (most - least || Math.abs(most) || 1) * 0.35;
    const bandLow = Math.min(...self.data[1].filter((value) => value != null), least);
    const bandHigh = Math.max(...self.data[2].filter((value) => value != null), most);
    const bottom = Math.max(bandLow, least - room), top = Math.min(bandHigh, most + room);
    const pad = (top - bottom || Math.abs(top) || 1) * 0.05;
    if (!Number.isFinite(top + pad - (bottom - pad))) {
      state("These values are too far apart to be drawn. The table has them.");
      return [0, 1];
    }
    return [bottom - pad, top + pad];
  }

  function shade(self) {
    const { ctx, bbox } = self;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (const mark of config.marks) {
      const from = self.valToPos(mark.start, "x", true);
      const to = Math.max(self.valToPos(mark.end ?? config.now, "x", true), from + 3 * devicePixelRatio);
      ctx.fillStyle = color("--anomaly-shade");
      ctx.globalAlpha = mark.main || !config.marks.some((other) => other.main) ? 1 : 0.45;
      ctx.fillRect(from, bbox.top, to - from, bbox.height);
    }
    ctx.globalAlpha = 1;
    const now = self.valToPos(config.now, "x", true);
    if (config.now <= self.scales.x.max) {
      ctx.strokeStyle = color("--line-strong");
      ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.lineWidth = devicePixelRatio;
      ctx.beginPath();
      ctx.moveTo(now, bbox.top);
      ctx.lineTo(now, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  // A dashed line from a flag at the top, for each event.
  function flags(self) {
    const { ctx, bbox } = self;
    const size = 5 * devicePixelRatio;
    ctx.save();
    ctx.fillStyle = ctx.strokeStyle = color("--mute");
    ctx.lineWidth = devicePixelRatio;
    for (const { at } of events) {
      const x = self.valToPos(at, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.beginPath();
      ctx.moveTo(x - size, bbox.top);
      ctx.lineTo(x + size, bbox.top);
      ctx.lineTo(x, bbox.top + 1.6 * size);
      ctx.fill();
    }
    ctx.restore();
  }

  function peaks(self) {
    const { ctx } = self;
    for (const mark of config.marks) {
      if (mark.peak == null || mark.value == null || mark.peak < self.scales.x.min || mark.peak > self.scales.x.max) continue;
      ctx.beginPath();
      ctx.arc(self.valToPos(mark.peak, "x", true), self.valToPos(mark.value, "y", true), (mark.main ? 4 : 2.5) * devicePixelRatio, 0, 2 * Math.PI);
      ctx.fillStyle = color("--anomaly");
      ctx.strokeStyle = color("--panel");
      ctx.lineWidth = devicePixelRatio;
      ctx.fill();
      ctx.stroke();
    }
  }

  function hover(self) {
    const at = self.cursor.idx;
    if (at == null) { readout.textContent = hint; return; }
    const [times, lower, upper, expected, values] = self.data;
    const parts = [["", clock.format(times[at] * 1000)], ["value", figure(values[at])]];
    if (expected[at] != null) parts.push(["expected", figure(expected[at])]);
    if (lower[at] != null) parts.push(["range", `${figure(lower[at])} to ${figure(upper[at])}`]);
    const near = events.find((event) => Math.abs(self.valToPos(event.at, "x") - self.cursor.left) < 7);
    if (near) parts.push([near.type.replace("_", " "), near.name]);
    readout.replaceChildren(...parts.flatMap(([name, text], index) => {
      const bold = document.createElement("b");
      bold.textContent = text;
      return [`${index ? " · " : ""}${name}${name ? " " : ""}`, bold];
    }));
  }

  const line = (stroke, width = 1.5, more = {}) => ({ stroke, width, points: { show: false }, ...more });
  const axis = () => ({
    stroke: color("--mute-text"), font: `11px ${css("--font")}`, labelFont: `11px ${css("--font")}`,
    grid: { stroke: color("--line"), width: 1 }, ticks: { show: false },
  });

  function options() {
    return {
      width: plot.clientWidth,
      height: plot.clientHeight,
      legend: { show: false },
      tzDate: (time) => uPlot.tzDate(new Date(time * 1000), config.zone),
      padding: [8, 30, 0, 0], // the label of a day at the right end is half as wide
      cursor: { y: false, points: { size: 7, fill: color("--ink"), stroke: color("--panel") }, drag: { x: true, y: false, setScale: false } },
      scales: { x: { time: true, min: shown.start, max: shown.end, auto: false }, y: { distr: isLog ? 3 : 1, range: isLog ? undefined : range } },
      axes: [
        {
          ...axis(), grid: { show: false }, space: 70, size: 42,
          values: [
            [86400 * 25, "{MMM} {YYYY}", null, null, null, null, null, null, 1],
            [86400, "{WWW} {D} {MMM}", null, null, null, null, null, null, 1],
            [60, hour12 ? "{h}:{mm} {aa}" : "{HH}:{mm}", "\n{WWW} {D} {MMM}", null, "\n{WWW} {D} {MMM}", null, null, null, 1],
            [1, hour12 ? "{h}:{mm}:{ss} {aa}" : "{HH}:{mm}:{ss}", "\n{WWW} {D} {MMM}", null, "\n{WWW} {D} {MMM}", null, null, null, 1],
          ],
        },
        { ...axis(), size: 56, gap: 6, values: (_, ticks) => ticks.map((tick) => (tick == null ? "" : short.format(tick))) },
      ],
      series: [
        {},
        line("transparent"),
        line("transparent"),
        line(color("--accent"), 1.2, { dash: [4, 3] }),
        line(color("--ink"), 1.5),
        line(color("--anomaly"), 2),
      ],
      bands: [{ series: [2, 1], fill: color("--band") }],
      hooks: { drawClear: [shade], draw: [flags, peaks], setCursor: [hover], setSelect: [zoom] },
    };
  }

  function draw() {
    state("");
    listEvents();
    chart?.destroy();
    chart = new uPlot(options(), columns(), plot);
    if (!data[1].some((value) => value != null)) state("No points in this stretch of time.");
  }

  // The stretch that is shown is in the address, so that it can be sent to somebody.

  function show(start, end, name) {
    shown = { start: Math.floor(start), end: Math.ceil(end) };
    const address = new URL(location.href);
    for (const one of ["range", "from", "to"]) address.searchParams.delete(one);
    if (name) address.searchParams.set("range", name);
    else { address.searchParams.set("from", shown.start); address.searchParams.set("to", shown.end); }
    history.replaceState(history.state, "", address);
    for (const link of document.querySelectorAll("[data-start]")) {
      if (name && new URL(link.href).searchParams.get("range") === name) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    tableLink.search = `?from=${shown.start}&to=${shown.end}`;
    load();
    if (tableLink.getAttribute("aria-expanded") === "true") table();
  }

  function zoom(self) {
    if (self.select.width < 4) return;
    const [from, to] = [self.posToVal(self.select.left, "x"), self.posToVal(self.select.left + self.select.width, "x")];
    self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    if (to - from >= 30) show(from, to, "");
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-start]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(Number(link.dataset.start), Number(link.dataset.end), new URL(link.href).searchParams.get("range"));
  });

  const table = () => htmx.ajax("GET", tableLink.href, { target: "#plot-table", swap: "innerHTML" });

  tableLink.addEventListener("click", (event) => {
    event.preventDefault();
    const open = tableLink.getAttribute("aria-expanded") !== "true";
    tableLink.setAttribute("aria-expanded", open);
    if (open) table(); else document.getElementById("plot-table").replaceChildren();
  });

  scaleButton.addEventListener("click", () => {
    isLog = !isLog;
    scaleButton.setAttribute("aria-pressed", isLog);
    if (data) draw();
  });

  new ResizeObserver(() => chart?.setSize({ width: plot.clientWidth, height: plot.clientHeight })).observe(plot);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => data && draw());
  load();
})();
